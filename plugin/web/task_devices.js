// The devices on the screen of a task: filters, pages, and what can be done with some of them.
import * as api from './api.js'
import { act, ask } from './dialog.js'
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { ago, bytes } from './format.js'
import { button, empty, link, missing, presence, select, state, STATES, table } from './parts.js'
import { addressFilter, pager, textSelect } from './filters.js'

const NAMES = ['state', 'waitsFor', 'reason', 'text', 'after']
const WAITS = ['device offline', 'stage', 'rate', 'in flight', 'window', 'other task', 'retry',
  'deferred', 'older firmware first', 'device unsettled']
// the states of rows that each command is for
const VERBS = { retry: ['failed'], stop: ['waiting'], continue: ['canceled'],
  remove: ['success', 'failed', 'canceled'] }

export function taskDevices({ id, query, redraw, admin, setQuery }) {
  const where = `${api.path('tasks', id)}/devices`
  const picked = new Map() // id -> its state, when it was picked
  const { filter, set } = addressFilter(NAMES, query, (changed) => {
    picked.clear()
    setQuery(changed)
  })

  function run(verb, ids) {
    return act(() => api.send('POST', `${where}/${verb}`, { devices: ids }), (result) => {
      picked.clear()
      const refused = result.refused.length
        ? ` ${t('devices.refused', { n: result.refused.length, device: result.refused[0].deviceId,
          error: result.refused[0].error })}` : ''
      return t('devices.changed', { n: result.changed }) + refused
    })
  }

  function remove(ids) {
    ask({ title: t('devices.removeTitle', { n: ids.length }), text: t('devices.removeText'),
      label: t('verb.remove'), danger: true, run: () => api.send('POST', `${where}/remove`,
        { devices: ids }), done: (r) => t('devices.changed', { n: r.changed }) })
  }

  function stateCell(row) {
    return [state('state', row.state, row.state === 'processing' ? `${row.progress} %` : ''),
      row.state === 'processing' ? h('div', { class: 'mini', 'aria-hidden': 'true' },
        h('span', { style: { width: `${row.progress}%` } })) : null]
  }

  function reasonCell(row) {
    const waits = row.waitsFor ? h('span', { class: 'waits' }, word('waits', row.waitsFor)) : null
    const text = row.errorReason || (row.failure ? word('failure', row.failure) : '')
    return [waits, waits && text ? ' · ' : null, text,
      row.retryAt ? h('div', { class: 'quiet' }, t('devices.retryAt', { when: ago(row.retryAt) }))
        : null]
  }

  function verbsOf(row) {
    const fits = Object.keys(VERBS).filter((v) => VERBS[v].includes(row.state) && v !== 'remove')
    return h('div', { class: 'row-actions' }, fits.map((v) => button(t(`verb.${v}`),
      () => run(v, [row.deviceId]), { key: v, 'aria-label': `${t(`verb.${v}`)} ${row.deviceId}` })))
  }

  function columns(data, rows) {
    const all = rows.length > 0 && rows.every((r) => picked.has(r.deviceId))
    return [
      admin ? { title: '', class: 'tick', head: () => h('input', { type: 'checkbox', checked: all,
        'aria-label': t('devices.pickAll'), onChange: () => {
          if (all) picked.clear()
          else for (const r of rows) picked.set(r.deviceId, r.state)
          redraw()
        } }), cell: (r) => h('input', { type: 'checkbox', checked: picked.has(r.deviceId),
        'aria-label': r.deviceId, onChange: () => {
          if (!picked.delete(r.deviceId)) picked.set(r.deviceId, r.state)
          redraw()
        } }) } : null,
      { title: t('device'), class: 'id', cell: (r) => [link('#' + api.path('devices',
        data.productId, r.deviceId), r.deviceId), r.deviceName
        ? h('div', { class: 'quiet' }, r.deviceName) : null] },
      { title: t('presence'), cell: (r) => presence(r.presence) },
      { title: t('from'), class: 'id', cell: (r) => r.fromVersion ?? '–' },
      { title: t('state'), cell: stateCell },
      { title: t('devices.reason'), class: 'why-cell', cell: reasonCell },
      { title: t('attempts'), class: 'number', cell: (r) => r.attempts },
      { title: t('downloaded'), class: 'number', cell: (r) => r.downloadedBytes
        ? bytes(r.downloadedBytes) : '–' },
      { title: t('devices.changedAt'), cell: (r) => ago(r.completedAt || r.respondedAt ||
        r.pushedAt || r.createdAt) },
      admin ? { title: t('actions'), cell: verbsOf } : null,
    ].filter(Boolean)
  }

  function pickedActions() {
    if (!picked.size) return null
    const fit = (verb) => [...picked].filter(([, s]) => VERBS[verb].includes(s)).map(([i]) => i)
    return h('div', { class: 'picked', role: 'status' }, t('devices.picked', { n: picked.size }),
      ' ',
      Object.keys(VERBS).map((verb) => {
        const ids = fit(verb)
        return ids.length ? button(`${t(`verb.${verb}`)} (${ids.length})`, () =>
          verb === 'remove' ? remove(ids) : run(verb, ids), { key: verb }) : null
      }))
  }

  function filters() {
    return h('div', { class: 'filters' },
      h('label', null, t('state'), select(filter.state, [['', t('all')], ...STATES.map((s) =>
        [s, word('state', s)])], (v) => set({ state: v }), { name: 'state' })),
      h('label', null, t('devices.waitsFor'), select(filter.waitsFor, [['', t('all')], ...WAITS.map(
        (w) => [w, word('waits', w)])], (v) => set({ waitsFor: v }), { name: 'waitsFor' })),
      textSelect(t('devices.find'), filter.text, (v) => set({ text: v })),
      filter.reason ? h('span', { class: 'chip' }, filter.reason, button('×',
        () => set({ reason: '' }), { class: 'plain', 'aria-label': t('remove') })) : null)
  }

  function view(data) {
    const entry = api.get(`${where}${api.query({ count: 50, ...filter })}`, 1500)
    const rows = entry.data ? entry.data.items : []
    return h('section', { class: 'card', id: 'devices' }, h('h2', null, t('devices.title')),
      filters(), pickedActions(),
      entry.data && entry.error && entry.error.code !== 'gone'
        ? h('p', { class: 'error' }, entry.error.message) : null,
      !entry.data ? missing(entry) : rows.length
        ? [table(t('devices.title'), columns(data, rows), rows, (r) => r.deviceId,
          { class: 'dense' }), pager(entry.data, filter, set)]
        : empty(t('devices.noneFound')))
  }

  return { view, filter, pickState: (s) => set({ state: s, waitsFor: '', reason: '' }),
    pickReason: (r) => set({ reason: r, state: r ? 'failed' : '' }) }
}
