// Begins the page: who is logged in, which screen the address names, and the frame around it.
// A screen is a function (place) => {title, view, stop}: place has the address's parts and query.
import * as api from './api.js'
import * as dialog from './dialog.js'
import { draw, h } from './dom.js'
import { ago, span, time } from './format.js'
import * as i18n from './i18n.js'
import { t } from './i18n.js'
import { button, icon, link, note } from './parts.js'
import { login } from './login.js'
import { overview } from './overview.js'
import { firmware } from './firmware.js'
import { firmwareForm } from './firmware_form.js'
import { products } from './products.js'
import { tasks } from './tasks.js'
import { taskForm } from './task_form.js'
import { task } from './task.js'
import { taskEdit } from './task_edit.js'
import { devices } from './devices.js'
import { device } from './device.js'
import { log } from './log.js'

const screens = [
  [/^\/?$/, overview, 'overview'],
  [/^\/firmware$/, firmware, 'firmware'],
  [/^\/firmware\/new$/, firmwareForm, 'firmware'],
  [/^\/firmware\/([^/]+)\/edit$/, firmwareForm, 'firmware'],
  [/^\/products$/, products, 'products'],
  [/^\/tasks$/, tasks, 'tasks'],
  [/^\/tasks\/new$/, taskForm, 'tasks'],
  [/^\/tasks\/([^/]+)$/, task, 'tasks'],
  [/^\/tasks\/([^/]+)\/edit$/, taskEdit, 'tasks'],
  [/^\/devices$/, devices, 'devices'],
  [/^\/devices\/([^/]+)\/([^/]+)$/, device, 'devices'],
  [/^\/log$/, log, 'log'],
]
const NAV = [['overview', '#/'], ['tasks', '#/tasks'], ['firmware', '#/firmware'],
  ['products', '#/products'], ['devices', '#/devices'], ['log', '#/log']]

const app = document.getElementById('app')
let user = null // {username, role}; null: nobody is logged in
let asked = false // the server has said who is logged in
let screen = null
let section = '' // of the navigation
let why = '' // the login is asked for
let queued = false // a redraw

function redraw() {
  if (queued) return
  queued = true
  Promise.resolve().then(() => {
    queued = false
    api.drawing(() => draw(app, frame()))
  })
}

function logout(reason) {
  if (!user && asked) return
  user = null
  asked = true
  why = reason || t('login.ended')
  screen = null
  api.forget()
  redraw()
}

// --- addresses ---

function place() {
  const [where, question] = (location.hash.slice(1) || '/').split('?')
  return { where, query: Object.fromEntries(new URLSearchParams(question || '')) }
}

function go() {
  const { where, query } = place()
  const found = screens.find(([pattern]) => pattern.test(where))
  if (screen && screen.stop) screen.stop()
  screen = null
  if (!user) return redraw()
  if (found) {
    const parts = where.match(found[0]).slice(1).map(decodeURIComponent)
    section = found[2]
    screen = found[1]({ parts, query, redraw, admin: user.role === 'admin', setQuery })
  }
  window.scrollTo(0, 0)
  redraw()
  setTimeout(() => document.querySelector('main h1')?.focus({ preventScroll: true }), 50)
}

/** Filters are part of the address, so that it can be sent to somebody. */
function setQuery(query) {
  const { where } = place()
  history.replaceState(null, '', `#${where}${api.query(query)}`)
  redraw()
}

// --- the frame ---

function theme() {
  return localStorage.getItem('theme') || 'auto'
}

function setTheme(name) {
  localStorage.setItem('theme', name)
  applyTheme()
  redraw()
}

const systemIsDark = matchMedia('(prefers-color-scheme: dark)')

function applyTheme() {
  const system = systemIsDark.matches ? 'dark' : 'light'
  document.documentElement.dataset.theme = theme() === 'auto' ? system : theme()
}

function switches() {
  const next = { auto: 'dark', dark: 'light', light: 'auto' }[theme()]
  return [
    h('select', { key: 'language', 'aria-label': t('language'), value: i18n.language,
      onChange: async (event) => { await i18n.choose(event.target.value); redraw() } },
    Object.entries(i18n.languages).map(([name, label]) => h('option', { value: name, lang: name },
      label))),
    button(t(`theme.${theme()}`), () => setTheme(next), { key: 'theme', class: 'plain',
      title: t('theme.next', { next: t(`theme.${next}`) }) }),
  ]
}

function age() {
  const { at, error } = api.link
  if (!at && !error) return null
  const old = Date.now() - at
  return error || old > 15000
    ? h('span', { class: 'age stale' }, icon('warning'), t('age.stale', { span: span(old) }))
    : h('span', { class: 'age', title: time(at) }, h('span', { class: 'pulse' }), t('age.live'))
}

function goneNote() {
  const { at, error, since } = api.link
  if (!error) return null
  return note('error', h('strong', null, t('gone.title')), ' ', at
    ? t('gone.age', { time: time(at), ago: ago(at) }) : t('gone.never', { ago: ago(since) }),
  ' ', t('gone.do'), ' ', h('code', null, 'systemctl status mosquitto'))
}

function header() {
  return h('header', { class: 'top' },
    h('a', { class: 'skip', href: '#main', onClick: (event) => {
      event.preventDefault()
      document.getElementById('main').focus()
    } }, t('skip')),
    h('a', { class: 'brand', href: '#/' }, h('img', { src: '/icon.svg', alt: '', width: 24,
      height: 24 }), h('span', null, 'Firmware')),
    user ? h('nav', { 'aria-label': t('nav') }, NAV.map(([name, href]) => h('a', { key: name, href,
      'aria-current': name === section ? 'page' : null }, t(`nav.${name}`)))) : null,
    h('div', { class: 'tools' }, user ? age() : null, switches(),
      user ? h('span', { class: 'user', key: 'user' }, user.username, user.role === 'admin' ? null
        : h('span', { class: 'badge' }, t('viewer'))) : null,
      user && user.username ? button(t('logout'), async () => {
        await api.send('DELETE', '/session').catch(() => {})
        logout(t('login.bye'))
      }, { key: 'logout', class: 'plain' }) : null))
}

function content() {
  if (!asked) return h('p', { class: 'loading', role: 'status' }, api.link.error ? ''
    : t('loading'))
  if (!user) {
    return login({ why, redraw, done: (session) => { user = session; why = ''; go() } })
  }
  if (!screen) return h('p', null, t('noScreen'), ' ', link('#/', t('nav.overview')))
  document.title = `${screen.title()} · Firmware`
  return screen.view()
}

function frame() {
  return [header(), goneNote(), h('main', { id: 'main', tabindex: '-1' }, content()),
    ...dialog.view()]
}

// --- the beginning ---

async function whoIs() {
  try {
    user = await api.read('/session')
    asked = true
    go()
  } catch (error) {
    asked = error.code !== 'gone'
    if (!asked) setTimeout(whoIs, 2000)
    redraw()
  }
}

applyTheme()
systemIsDark.addEventListener('change', applyTheme)
dialog.init(redraw)
api.onChange(redraw, logout)
window.addEventListener('hashchange', go)
setInterval(() => { if (!document.hidden && user) redraw() }, 1000)
await i18n.start()
redraw()
whoIs()
