// The screen of all firmware: its state, and what can be done with it.
import * as api from './api.js'
import { act, ask } from './dialog.js'
import { h } from './dom.js'
import { number, t, word } from './i18n.js'
import { bytes } from './format.js'
import { button, empty, heading, icon, link, missing, offButton, select, state, table,
  when } from './parts.js'
import { addressFilter, pager, productSelect } from './filters.js'

const WITHDRAWN = 'withdrawn by an operator' // the state_reason that withdraw() writes

/** Withdrawn on this page, and not rejected by the plugin. */
export function isWithdrawn(firmware) {
  return firmware.state === 'rejected' && firmware.stateReason === WITHDRAWN
}

function runs(firmware) {
  const entry = api.get(`${api.path('products', firmware.productId)}/versions`, 5000)
  if (!entry.data) return '…'
  const found = entry.data.items.find((i) => i.version === firmware.version)
  return found ? link(`#/devices${api.query({ productId: firmware.productId,
    version: firmware.version })}`, number(found.devices)) : '0'
}

function stateCell(firmware) {
  const name = isWithdrawn(firmware) ? 'withdrawn' : firmware.state
  return [state('image', name), firmware.stateReason && name !== 'withdrawn'
    ? h('div', { class: 'reason' }, firmware.stateReason) : null,
  name === 'pending' ? h('div', { class: 'quiet' }, t('firmware.pendingHelp')) : null]
}

function nameCell(firmware) {
  return [h('b', null, firmware.name), firmware.description
    ? h('div', { class: 'quiet clip' }, firmware.description) : null,
  h('div', { class: 'quiet id clip' }, firmware.file || firmware.url || '')]
}

function withdraw(firmware) {
  ask({ title: t('firmware.withdraw', { version: firmware.version }),
    text: t('firmware.withdrawText'), label: t('withdraw'), danger: true,
    run: () => api.send('PATCH', api.path('firmware', firmware.firmwareId),
      { state: 'rejected', stateReason: WITHDRAWN }),
    done: t('firmware.withdrawn', { version: firmware.version }) })
}

function actions(firmware) {
  const where = api.path('firmware', firmware.firmwareId)
  const name = `${firmware.name} ${firmware.version}`
  return h('div', { class: 'row-actions' },
    firmware.state === 'ready'
      ? h('a', { class: 'button', href: `#/tasks/new${api.query({
        firmwareId: firmware.firmwareId })}` }, t('task.new')) : null,
    h('a', { class: 'button', href: `#${where}/edit` }, t('edit')),
    firmware.state === 'rejected'
      ? button(t('firmware.verify'), () => act(() => api.send('PATCH', where,
        { state: 'pending' }), t('firmware.verifying', { version: firmware.version })))
      : button(t('withdraw'), () => withdraw(firmware)),
    firmware.tasks > 0 ? offButton(t('delete'), t('firmware.hasTasks', { n: firmware.tasks }))
      : button(t('delete'), () => ask({ title: t('firmware.delete', { name }),
        text: t('firmware.deleteText'), label: t('delete'), danger: true,
        run: () => api.send('DELETE', where), done: t('deleted', { id: name }) })))
}

export function firmware({ query, setQuery, admin }) {
  const { filter, set } = addressFilter(['productId', 'state', 'after'], query, setQuery)
  function view() {
    const entry = api.get(`/firmware${api.query({ count: 100, ...filter })}`, 2000)
    const columns = [
      { title: t('name'), cell: nameCell },
      { title: t('version'), class: 'id', cell: (f) => f.version },
      { title: t('order'), class: 'number', cell: (f) => number(f.versionOrder) },
      { title: t('product'), class: 'id', cell: (f) => f.productId },
      { title: t('firmware.method'), cell: (f) => f.signMethod || '–' },
      { title: t('size'), class: 'number', cell: (f) => bytes(f.size) },
      { title: t('state'), cell: stateCell },
      { title: t('firmware.runs'), class: 'number', cell: runs },
      { title: t('created'), cell: (f) => when(f.createdAt) },
      admin ? { title: t('actions'), cell: actions } : null,
    ].filter(Boolean)
    return [
      heading(t('nav.firmware'), admin ? h('a', { class: 'button primary', href:
        `#/firmware/new${api.query({ productId: filter.productId })}` }, t('firmware.add')) : null),
      h('div', { class: 'filters' }, productSelect(filter.productId, (v) => set({ productId: v })),
        h('label', null, t('state'), select(filter.state, [['', t('all')],
          ...['ready', 'pending', 'rejected'].map((s) => [s, word('image', s)])],
        (v) => set({ state: v })))),
      !entry.data ? missing(entry) : entry.data.items.length
        ? [table(t('nav.firmware'), columns, entry.data.items, (f) => f.firmwareId),
          pager(entry.data, filter, set)]
        : empty(filter.productId || filter.state ? t('firmware.noneFound') : t('firmware.none')),
      entry.data && entry.error ? h('p', { class: 'error' }, icon('warning'), entry.error.message)
        : null,
    ]
  }
  return { title: () => t('nav.firmware'), view }
}
