// The screen of all devices: find, add, edit and delete some.
import * as api from './api.js'
import { act, ask } from './dialog.js'
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { ago } from './format.js'
import { button, empty, heading, link, missing, presence, select, selectField, table,
  textField } from './parts.js'
import { addressFilter, pager, productOptions, productSelect, textSelect } from './filters.js'

const NAMES = ['productId', 'text', 'version', 'presence', 'tag', 'after']

export function deviceForm(device, productId) {
  const fresh = !device
  const form = fresh ? { productId: productId || '', deviceId: '', name: '', tags: '' }
    : { name: device.name, tags: device.tags.join(', ') }
  const tags = () => form.tags.split(',').map((tag) => tag.trim()).filter(Boolean)
  ask({ title: fresh ? t('devices.add') : t('device.edit', { id: device.deviceId }),
    label: fresh ? t('devices.add') : t('save'), text: fresh ? t('devices.addText') : '',
    body: (redraw) => h('div', { class: 'fields' }, fresh ? [
      selectField(form, 'productId', { label: t('product') }, productOptions([['', t('choose')]]),
        redraw),
      textField(form, 'deviceId', { label: t('device.id'), required: true }, redraw,
        { required: true })] : null,
    textField(form, 'name', { label: t('name') }, redraw, { maxlength: 64 }),
    textField(form, 'tags', { label: t('tags'), help: t('tags.help') }, redraw)),
    run: () => fresh
      ? api.send('POST', '/devices', { ...form, tags: tags() })
      : api.send('PATCH', api.path('devices', device.productId, device.deviceId),
        { name: form.name, tags: tags() }),
    done: t('saved') })
}

export function deleteDevice(device, after) {
  ask({ title: t('device.delete', { id: device.deviceId }), text: t('device.deleteText'),
    label: t('delete'), danger: true, done: t('deleted', { id: device.deviceId }),
    run: async () => {
      await api.send('DELETE', api.path('devices', device.productId, device.deviceId))
      if (after) after()
    } })
}

export function devices({ query, setQuery, admin }) {
  const { filter, set } = addressFilter(NAMES, query, setQuery)
  function tagList(device) {
    if (!device.tags.length) return '–'
    return device.tags.map((tag) => h('button', { key: tag, type: 'button', class: 'tag',
      'aria-label': t('tags.filter', { tag }), onClick: () => set({ tag }) }, tag))
  }
  function view() {
    const entry = api.get(`/devices${api.query({ count: 50, ...filter })}`, 2000)
    const rows = entry.data ? entry.data.items : []
    const columns = [
      { title: t('device'), class: 'id', cell: (d) => [link('#' + api.path('devices', d.productId,
        d.deviceId), d.deviceId), d.name ? h('div', { class: 'quiet' }, d.name) : null] },
      { title: t('product'), class: 'id', cell: (d) => d.productId },
      { title: t('presence'), cell: (d) => presence(d.presence) },
      { title: t('version'), class: 'id', cell: (d) => d.version ?? '–' },
      { title: t('device.seen'), cell: (d) => ago(d.lastSeenAt) },
      { title: t('tags'), cell: tagList },
    ]
    return [
      heading(t('nav.devices'), admin ? button(t('devices.add'), () =>
        act(async () => deviceForm(null, filter.productId)), { class: 'primary' }) : null),
      h('div', { class: 'filters' }, productSelect(filter.productId, (v) => set({ productId: v })),
        textSelect(t('devices.find'), filter.text, (v) => set({ text: v })),
        h('label', null, t('presence'), select(filter.presence, [['', t('all')],
          ...['online', 'offline', 'unknown'].map((p) => [p, word('presence', p)])],
        (v) => set({ presence: v }))),
        textSelect(t('version'), filter.version, (v) => set({ version: v }), 'version'),
        textSelect(t('tag'), filter.tag, (v) => set({ tag: v }), 'tag')),
      entry.data && entry.error && entry.error.code !== 'gone'
        ? h('p', { class: 'error' }, entry.error.message) : null,
      !entry.data ? missing(entry) : rows.length
        ? [table(t('nav.devices'), columns, rows, (d) => `${d.productId}/${d.deviceId}`,
          { class: 'dense' }), pager(entry.data, filter, set)]
        : empty(NAMES.some((name) => filter[name]) ? t('devices.noneFound') : t('devices.none')),
    ]
  }
  return { title: () => t('nav.devices'), view }
}
