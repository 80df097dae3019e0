// The screen of a device: what it runs, its upgrades, its history on one line.
import * as api from './api.js'
import { h } from './dom.js'
import { number, t, word } from './i18n.js'
import { ago, bytes } from './format.js'
import { button, card, facts, heading, link, missing, note, presence, state, STATES, table,
  taskLink, when } from './parts.js'
import { timeline } from './charts.js'
import { deleteDevice, deviceForm } from './devices.js'

function label(item) {
  if (item.what === 'version') return `${t('device.reported')} ${item.version}`
  if (item.what === 'task') return `${word('state', item.state)} ${item.version}`
  return `${item.progress} %`
}

function kind(item) {
  return item.what === 'task' ? item.state : item.what
}

function what(item) {
  if (item.what === 'version') {
    return [state('what', 'version'), ' ', h('b', { class: 'id' }, item.version)]
  }
  if (item.what === 'task') {
    return [state('state', item.state), ' ', h('b', { class: 'id' }, item.version)]
  }
  return [state('what', 'progress'), ` ${item.progress} %`,
    item.state ? [' ', state('state', item.state)] : null]
}

/** Translates the details that the catalog writes; a device's own words stay as they are. */
function detail(item) {
  if (item.detail === 'first report') return t('device.firstReport')
  const before = /^before: (.*)$/.exec(item.detail || '')
  return before && item.what === 'version' ? t('device.before', { version: before[1] })
    : item.detail || ''
}

function downloads(entry) {
  const items = entry.data ? entry.data.items : []
  if (!items.length) return null
  return card(t('device.downloads'), items.slice(0, 6).map((d) => h('div', { key: d.firmwareId,
    class: 'download' }, h('span', { class: 'id' }, d.firmwareId), ' ', d.completedAt
    ? state('state', 'success') : state('state', 'processing', `${d.percent ?? 0} %`),
  h('progress', { max: d.total || 1, value: d.reached, 'aria-label': t('downloaded') }),
  h('span', { class: 'quiet' }, `${bytes(d.reached)} / ${bytes(d.total)} · ` +
    `${t('device.requests', { n: d.requests })} · ${ago(d.lastByteAt)}`))))
}

export function device({ parts, admin }) {
  const [productId, deviceId] = parts
  const where = api.path('devices', productId, deviceId)
  let after = ''

  function tasks(items) {
    const rows = items.filter((i) => i.what === 'task')
    if (!rows.length) return null
    return card(t('device.tasks'), table(t('device.tasks'), [
      { title: t('task'), cell: (r) => taskLink(r.taskId, api.query({ text: deviceId })) },
      { title: t('version'), class: 'id', cell: (r) => r.version },
      { title: t('state'), cell: (r) => STATES.includes(r.state) ? state('state', r.state,
        r.state === 'processing' ? `${r.progress} %` : '') : r.state },
      { title: t('devices.reason'), cell: (r) => r.detail || '' },
      { title: t('devices.changedAt'), cell: (r) => when(r.at) }], rows, (r) => r.taskId))
  }

  function view() {
    const entry = api.get(where)
    if (!entry.data) return [heading(deviceId), missing(entry)]
    const data = entry.data
    const history = api.get(`${where}/history${api.query({ count: 100, after })}`, 1500)
    const loaded = api.get(`/downloads${api.query({ productId, deviceId })}`, 1500)
    const items = history.data ? history.data.items : []
    return [
      heading(deviceId, admin ? [button(t('edit'), () => deviceForm(data)),
        button(t('delete'), () => deleteDevice(data, () => { location.hash = '#/devices' }))]
          : null),
      entry.error && entry.error.code !== 'gone' ? note('error', entry.error.message) : null,
      card(null, facts([
        [t('product'), link(`#/devices${api.query({ productId })}`, productId)],
        [t('name'), data.name || '–'],
        [t('presence'), presence(data.presence)],
        [t('version'), h('b', { class: 'id' }, data.version ?? '–'), data.versionAt
          ? h('span', { class: 'quiet' }, ` ${ago(data.versionAt)}`) : null],
        [t('device.seen'), ago(data.lastSeenAt)],
        [t('tags'), data.tags.join(', ') || '–'],
        data.utcOffsetMinutes !== null ? [t('device.zone'), `UTC${data.utcOffsetMinutes < 0 ? '−'
          : '+'}${number(Math.abs(data.utcOffsetMinutes) / 60)}`] : null])),
      items.length ? card(t('device.life'), timeline(items.slice(0, 60).map((i) => ({ at: i.at,
        kind: kind(i), label: label(i) })))) : null,
      downloads(loaded),
      tasks(items),
      !history.data ? missing(history) : card(t('device.history'), items.length
        ? table(t('device.history'), [
          { title: t('time'), cell: (i) => when(i.at) },
          { title: t('event'), cell: what },
          { title: t('detail'), cell: detail },
          { title: t('task'), cell: (i) => i.taskId ? taskLink(i.taskId) : '' }],
        items.map((i, n) => ({ ...i, n })), (i) => i.n, { class: 'dense' })
        : h('p', { class: 'quiet' }, t('device.noHistory')),
      history.data.next ? button(t('page.next'), () => { after = history.data.next }) : null,
      after ? button(t('page.first'), () => { after = '' }) : null),
    ]
  }
  return { title: () => deviceId, view }
}
