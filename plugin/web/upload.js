// Uploads an image: shows how far it is, how fast, and whether it arrived undamaged.
import * as api from './api.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { bytes, percent, span } from './format.js'
import { button, note } from './parts.js'
import { sentence } from './dialog.js'

const DIGEST_MOST = 256 << 20 // a browser's digest wants the whole file in memory

/** An upload: {state, start}. state: name, size, sent (bytes), speed (bytes a second), answer of
 * the server, own (the browser's SHA-256), error, file, abort (while it runs). done(answer)
 * follows. */
export function newUpload(redraw, done) {
  const state = { name: '', size: 0, sent: 0, speed: 0, answer: null, own: null, error: null }

  async function ownDigest(file) {
    // browsers have it over https and on loopback alone
    if (!globalThis.crypto?.subtle || file.size > DIGEST_MOST) return
    const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer())
    state.own = [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join('')
    redraw()
  }

  async function start(file, name) {
    const begun = performance.now()
    Object.assign(state, { name, size: file.size, sent: 0, speed: 0, answer: null, own: null,
      error: null, file })
    const running = api.upload(name, file, (sent) => {
      state.sent = sent
      state.speed = sent / Math.max(1, performance.now() - begun) * 1000
      redraw()
    })
    state.abort = running.abort
    redraw()
    ownDigest(file)
    try {
      state.answer = await running.done
      done(state.answer)
    } catch (error) {
      state.error = error
    }
    state.abort = null
    redraw()
  }
  return { state, start }
}

/** The name of a file as files_dir takes it. */
export function plainName(name) {
  return name.replace(/[/\0-\x1f]/g, '_').replace(/^\.+/, '') || 'firmware.bin'
}

export function uploadView({ state, start }, redraw) {
  if (!state.name) return null
  if (state.error) {
    return h('div', null, note('error', state.error.code === 'aborted' ? t('upload.aborted')
      : sentence(state.error)), state.error.status === 409 ? h('div', { class: 'inline' },
      button(t('upload.rename', { name: freshName(state.name) }),
        () => start(state.file, freshName(state.name)))) : null)
  }
  if (!state.answer) {
    const left = state.speed ? (state.size - state.sent) / state.speed : 0
    return h('div', { class: 'upload' }, h('progress', { max: state.size || 1,
      value: state.sent, 'aria-label': t('upload.progress') }), h('p', { role: 'status' },
      `${percent(state.sent, state.size)} · ${bytes(state.sent)} / ${bytes(state.size)}`,
      state.speed ? ` · ${bytes(state.speed)}/s` : null,
      left > 2 ? ` · ${t('upload.left', { span: span(1000 * left) })}` : null, ' ',
      button(t('cancel'), () => { state.abort?.(); redraw() })))
  }
  const same = state.own ? state.own === state.answer.sha256 : null
  return h('div', { class: 'upload' }, same === false
    ? note('error', t('upload.differs', { own: state.own, server: state.answer.sha256 }))
    : note('ok', t(same ? 'upload.same' : 'upload.done', { name: state.answer.file,
      size: bytes(state.answer.size) })),
  h('p', { class: 'digest id' }, `SHA-256 ${state.answer.sha256}`))
}

function freshName(name) {
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? `${name.slice(0, dot)}-${stamp}${name.slice(dot)}` : `${name}-${stamp}`
}
