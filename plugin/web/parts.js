// What screens are made of: states, buttons, fields, tables, notes.
import * as api from './api.js'
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { fullTime, time } from './format.js'

export const STATES = ['success', 'failed', 'processing', 'waiting', 'canceled']

const SHAPES = {
  waiting: 'M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0',
  processing: 'M13.5 6.5A6 6 0 0 0 3 5M2.5 9.5A6 6 0 0 0 13 11M13.7 3v3.5h-3.5M2.3 13V9.5h3.5',
  success: 'M3 8.5 6.5 12 13 4.5',
  failed: 'M4 4l8 8M12 4l-8 8',
  canceled: 'M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0M4 4l8 8',
  paused: 'M5.5 3.5v9M10.5 3.5v9',
  running: 'M5 3.5v9l7-4.5z',
  stopped: 'M4 4h8v8H4z',
  ready: 'M3 8.5 6.5 12 13 4.5',
  pending: 'M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0',
  rejected: 'M4 4l8 8M12 4l-8 8',
  withdrawn: 'M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0M4.5 8h7',
  online: 'M3 9a7 7 0 0 1 10 0M5.3 11.2a4 4 0 0 1 5.4 0M8 13.4v.1',
  offline: 'M3 3l10 10M3 9a7 7 0 0 1 3-1.8M10.5 7.5A7 7 0 0 1 13 9M8 13.4v.1',
  unknown: 'M6 6a2 2 0 1 1 2.7 1.9c-.5.2-.7.5-.7 1.1v.5M8 12v.1',
  warning: 'M8 2.5 14.5 13.5h-13zM8 6.5v3.3M8 11.7v.1',
  done: 'M3 8.5 6.5 12 13 4.5',
  version: 'M8 13V3.5M4 7l4-4 4 4',
  progress: 'M13.5 6.5A6 6 0 0 0 3 5M2.5 9.5A6 6 0 0 0 13 11M13.7 3v3.5h-3.5M2.3 13V9.5h3.5',
}

/** A drawing beside a word, never alone. */
export function icon(name) {
  return h('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    h('path', { d: SHAPES[name] || SHAPES.unknown }))
}

export function state(kind, name, more) {
  return h('span', { class: `state state-${name}` }, icon(name), h('span', null,
    word(kind, name), more ? ` ${more}` : null))
}

export function presence(value) {
  return state('presence', value || 'unknown')
}

export function when(ms) {
  return ms ? h('time', { title: fullTime(ms), datetime: new Date(ms).toISOString() }, time(ms))
    : '–'
}

export function link(href, ...children) {
  return h('a', { href }, ...children)
}

/** The address of a task's screen; where: a query behind it. */
export function taskAddress(id, where = '') {
  return `#/tasks/${encodeURIComponent(id)}${where}`
}

/** A task by its name; if it is gone or among the oldest: `unknown`, or its id alone. */
export function taskLink(id, where = '', unknown = link(taskAddress(id, where), id)) {
  const entry = api.get('/tasks?count=100', 10000)
  const task = entry.data?.items.find((each) => each.taskId === id)
  return task ? link(taskAddress(id, where), task.name) : unknown
}

export function button(label, onClick, props = {}) {
  return h('button', { type: 'button', onClick, ...props }, label)
}

/** A button that is off says why. */
export function offButton(label, why) {
  return h('button', { type: 'button', 'aria-disabled': 'true', title: why, class: 'off' }, label)
}

let serial = 0

/** A labelled control. given: {label, help, error, required, wide, id}; control(tie) makes it, with
 * the props that tie it to these. */
export function field(given, control) {
  const id = given.id || `f${++serial}`
  const help = given.help || given.error
  const tie = { id, 'aria-describedby': help ? `${id}-help` : null,
    'aria-invalid': given.error ? 'true' : null }
  return h('div', { class: `field ${given.wide ? 'wide' : ''}` },
    h('label', { for: id }, given.label, given.required
      ? h('span', { class: 'needed' }, ` ${t('required')}`) : null),
    control(tie),
    help ? h('p', { id: `${id}-help`, class: given.error ? 'error' : 'help' },
      given.error ? [icon('warning'), ' '] : null, given.error || given.help) : null)
}

/** A text field of form[name]. changed(name) is called when somebody types. */
export function textField(form, name, given, changed, props = {}) {
  const tag = props.rows ? 'textarea' : 'input'
  const take = (event) => { form[name] = event.target.value; changed(name) }
  return field({ id: `field-${name}`, ...given }, (tie) => h(tag, {
    ...tie, value: form[name] ?? '', name, autocomplete: 'off', onInput: take, onChange: take,
    ...props,
  }))
}

export function selectField(form, name, given, options, changed) {
  return field({ id: `field-${name}`, ...given }, (tie) => select(form[name] ?? '', options,
    (value) => { form[name] = value; changed(name) }, { ...tie, name,
      required: Boolean(given.required) }))
}

/** options: pairs of value and label. */
export function select(value, options, onChange, props = {}) {
  return h('select', { ...props, value, onChange: (event) => onChange(event.target.value) },
    options.map(([v, label]) => h('option', { value: v }, label)))
}

export function checkField(form, name, given, changed) {
  const id = `field-${name}`
  return h('div', { class: 'field check' },
    h('input', { type: 'checkbox', id, name, checked: Boolean(form[name]),
      'aria-describedby': given.help ? `${id}-help` : null,
      onChange: (event) => { form[name] = event.target.checked; changed(name) } }),
    h('div', null, h('label', { for: id }, given.label),
      given.help ? h('p', { id: `${id}-help`, class: 'help' }, given.help) : null))
}

/** One of some: options [value, label, help]. */
export function choiceField(form, name, legend, options, changed) {
  return h('fieldset', { class: 'choices' }, h('legend', null, legend),
    options.map(([value, label, help]) => h('label', { class: 'choice', key: value },
      h('input', { type: 'radio', name, value, checked: form[name] === value,
        onChange: () => { form[name] = value; changed(name) } }),
      h('span', null, h('strong', null, label),
        help ? h('span', { class: 'help' }, help) : null))))
}

/** A table. columns: {title, cell(row), class, head(): instead of the title}; keyOf(row): a key. */
export function table(caption, columns, rows, keyOf, props = {}) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', props, h('caption', { class: 'hidden' }, caption),
      h('thead', null, h('tr', null, columns.map((c) => h('th', { scope: 'col', class: c.class },
        typeof c.head === 'function' ? c.head() : c.title)))),
      h('tbody', null, rows.map((row) => h('tr', { key: keyOf(row) },
        columns.map((c) => h('td', { class: c.class, 'data-title': c.title }, c.cell(row))))))))
}

export function note(kind, ...children) {
  return h('div', { class: `note note-${kind}`, role: kind === 'error' ? 'alert' : 'status' },
    icon(kind === 'ok' ? 'done' : 'warning'), h('div', null, ...children))
}

export function empty(text, ...more) {
  return h('div', { class: 'empty' }, h('p', null, text), ...more)
}

/** Stands for data that has not come: an error, or that it is loading. */
export function missing(entry) {
  if (entry.error && entry.error.code !== 'gone') return note('error', entry.error.message)
  return h('p', { class: 'loading', role: 'status' }, t('loading'))
}

export function card(title, ...children) {
  return h('section', { class: 'card' }, title ? h('h2', null, title) : null, ...children)
}

/** A part that a click unfolds. It also unfolds when the browser refuses a field inside of it,
 * since the browser's message is not seen in what is folded. */
export function fold(title, { open, ...props }, ...children) {
  const made = (node) => {
    node.open = Boolean(open)
    node.addEventListener('invalid', () => { node.open = true }, true)
  }
  return h('details', { ...props, made }, h('summary', null, title), ...children)
}

export function heading(title, ...actions) {
  return h('div', { class: 'heading' }, h('h1', { tabindex: '-1' }, title),
    h('div', { class: 'actions' }, ...actions))
}

export function facts(pairs) {
  return h('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, ...value]) =>
    h('div', null, h('dt', null, name), h('dd', null, ...value))))
}
