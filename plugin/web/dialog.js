// Asks before something is done, and says how it ended.
import { h } from './dom.js'
import { t } from './i18n.js'
import { button, icon, note } from './parts.js'

let open = null // what ask() was given, with error and busy
let said = null // {kind, text}
let redraw = () => {}
let timer = 0

export function init(draw) {
  redraw = draw
}

/** Shows a sentence for some seconds; screen readers speak it. kind: ok or error. */
export function say(kind, text) {
  said = { kind, text }
  clearTimeout(timer)
  timer = setTimeout(() => { said = null; redraw() }, kind === 'error' ? 12000 : 6000)
  redraw()
}

/** Opens a dialog. given: title; text: what it will do; label of the button; run: async, throws
 * ApiError; done: what to say then, or a function of run's result; danger; body(redraw): fields. */
export function ask(given) {
  open = { ...given, error: null, busy: false }
  redraw()
}

export function close() {
  open = null
  redraw()
}

/** Does it without a dialog. */
export async function act(run, done) {
  try {
    const result = await run()
    if (done) say('ok', typeof done === 'function' ? done(result) : done)
  } catch (error) {
    say('error', sentence(error))
  }
}

// the hints for SQL in the catalog's sentences, such as (DELETE FROM firmware WHERE ...)
const SQL = / ?\((?:DELETE|INSERT|SELECT|UPDATE) (?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)/g

/** An error as the page shows it. */
export function sentence(error) {
  return error.code === 'gone' ? t('gone.action')
    : (error.message || String(error)).replace(SQL, '')
}

async function confirm() {
  const dialog = open
  dialog.busy = true
  dialog.error = null
  redraw()
  try {
    const result = await dialog.run()
    if (open === dialog) open = null
    if (dialog.done) say('ok', typeof dialog.done === 'function' ? dialog.done(result)
      : dialog.done)
  } catch (error) {
    dialog.error = sentence(error)
  }
  dialog.busy = false
  redraw()
}

export function view() {
  return [
    open ? h('dialog', { key: 'dialog', 'aria-labelledby': 'dialog-title',
      made: (node) => requestAnimationFrame(() => node.isConnected && node.showModal()),
      onCancel: close, onClose: () => { if (open) close() } },
    h('form', { method: 'dialog', onSubmit: (event) => { event.preventDefault(); confirm() } },
      h('h2', { id: 'dialog-title' }, open.title),
      open.text ? h('p', null, open.text) : null,
      open.body ? open.body(redraw) : null,
      open.error ? note('error', open.error) : null,
      h('div', { class: 'actions end' },
        button(t('cancel'), close),
        h('button', { type: 'submit', disabled: open.busy,
          class: open.danger ? 'danger' : 'primary' }, open.label)))) : null,
    h('div', { key: 'said', class: 'said', role: 'status', 'aria-live': 'polite' },
      said ? h('div', { class: `toast toast-${said.kind}` },
        icon(said.kind === 'ok' ? 'done' : 'warning'), h('span', null, said.text),
        h('button', { type: 'button', class: 'plain', 'aria-label': t('close'),
          onClick: () => { said = null; redraw() } }, '×')) : null),
  ]
}
