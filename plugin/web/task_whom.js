// The devices of a new task: all, those that are ticked or pasted, of a tag, or of a filter.
import * as api from './api.js'
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { button, choiceField, presence, selectField, textField } from './parts.js'
import { textSelect } from './filters.js'
import { deviceIds } from './task_body.js'

function ticks(form, redraw) {
  if (!form.productId) return h('p', { class: 'quiet' }, t('whom.firmwareFirst'))
  const entry = api.get(`/devices${api.query({ productId: form.productId, text: form.find,
    count: 50 })}`, 5000)
  const items = entry.data ? entry.data.items : []
  const toggle = (id, on) => {
    if (on) form.devices.add(id)
    else form.devices.delete(id)
    redraw()
  }
  return [
    h('div', { class: 'filters' }, textSelect(t('devices.find'), form.find,
      (v) => { form.find = v; redraw() }),
    items.length ? button(t('whom.tickShown', { n: items.length }), () => {
      for (const d of items) form.devices.add(d.deviceId)
      redraw()
    }) : null,
    form.devices.size ? button(t('whom.tickNone'), () => { form.devices.clear(); redraw() })
      : null),
    h('ul', { class: 'ticks', tabindex: '0', 'aria-label': t('devices.title') }, items.map((d) =>
      h('li', { key: d.deviceId }, h('label', null,
        h('input', { type: 'checkbox', checked: form.devices.has(d.deviceId),
          onChange: (e) => toggle(d.deviceId, e.target.checked) }),
        ' ', h('span', { class: 'id' }, d.deviceId), ' ', h('span', { class: 'quiet' },
          d.name, ' ', d.version ?? ''), ' ', presence(d.presence))))),
    entry.data && entry.data.next ? h('p', { class: 'help' }, t('whom.moreFound')) : null,
  ]
}

function versionOptions(form) {
  const entry = form.productId
    ? api.get(`${api.path('products', form.productId)}/versions`, 5000) : { data: null }
  const items = entry.data ? entry.data.items.filter((i) => i.version !== null) : []
  return [['', t('any')], ...items.map((i) => [i.version, `${i.version} (${i.devices})`])]
}

export function whomFields(form, changed, redraw) {
  return [
    choiceField(form, 'whom', t('whom.which'), ['all', 'filter', 'tag', 'devices'].map((w) =>
      [w, t(`whom.${w}`), t(`whom.${w}.help`)]), changed),
    form.whom === 'filter' ? h('div', { class: 'fields' },
      selectField(form, 'version', { label: t('whom.runs') }, versionOptions(form), changed),
      selectField(form, 'presence', { label: t('presence') }, [['', t('any')],
        ...['online', 'offline', 'unknown'].map((p) => [p, word('presence', p)])], changed)) : null,
    form.whom === 'tag' ? h('div', { class: 'fields' }, textField(form, 'tag', { label: t('tag') },
      changed)) : null,
    form.whom === 'devices' ? [ticks(form, redraw), h('div', { class: 'fields' },
      textField(form, 'pasted', { label: t('whom.paste'), help: t('whom.pasteHelp'), wide: true },
        changed, { rows: 3, spellcheck: 'false', class: 'code' })),
    h('p', { role: 'status' }, t('whom.count', { n: deviceIds(form).length }))] : null,
  ]
}
