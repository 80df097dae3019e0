// The form of the login.
import * as api from './api.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { note, textField } from './parts.js'
import { sentence } from './dialog.js'

const form = { username: '', password: '' }
let error = ''
let busy = false

export function login({ why, redraw, done }) {
  async function enter(event) {
    event.preventDefault()
    busy = true
    redraw()
    try {
      const session = await api.send('POST', '/session', form)
      error = form.password = ''
      done(session)
    } catch (refused) {
      error = refused.wait ? `${refused.message} (${t('seconds', { n: refused.wait })})`
        : sentence(refused)
    }
    busy = false
    redraw()
  }
  document.title = t('login')
  return h('form', { class: 'card login', onSubmit: enter }, h('h1', { tabindex: '-1' },
    t('login')),
    error ? note('error', error) : why ? note('info', why) : null,
    textField(form, 'username', { label: t('login.user') }, () => {},
      { autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' }),
    textField(form, 'password', { label: t('login.password') }, () => {},
      { type: 'password', autocomplete: 'current-password', required: true }),
    h('button', { type: 'submit', class: 'primary', disabled: busy }, t('login')),
    h('p', { class: 'help' }, t('login.help')))
}
