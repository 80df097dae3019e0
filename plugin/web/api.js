// Speaks with the API, and keeps its answers. A screen asks for a path with get() each time it is
// drawn. What it asks for is read again: each second while it changes, seldom while it does not,
// never while the page is hidden. If-None-Match keeps that cheap.

const BASE = '/api/v1'
const FAST = 1000
const SLOW = 8000
const RETRY = 2000
const SHARE = 9 // pauses per answer time, at least: a slow read is at most a tenth of the time
export const PREVIEW = '/tasks/preview' // a POST that changes nothing

const kept = new Map() // path -> what is known of it
let changed = () => {}
let loggedOut = () => {}
let timer = 0
let turnAt = 0

/** The connection. at: when the last answer came, in ms; error: 'gone' while none comes, else null;
 * since: when that began, in ms. */
export const link = { at: 0, since: 0, error: null }

export function onChange(redraw, logout) {
  changed = redraw
  loggedOut = logout
}

export class ApiError extends Error {
  constructor(status, code, message, wait) {
    super(message)
    Object.assign(this, { status, code, wait })
  }
}

/** The path of these parts, each escaped. */
export function path(...parts) {
  return '/' + parts.map(encodeURIComponent).join('/')
}

/** The query of the members that are given. */
export function query(members) {
  const given = Object.entries(members).filter(([, v]) => v !== '' && v !== null && v !== undefined)
  return given.length ? '?' + new URLSearchParams(given) : ''
}

async function refusal(response) {
  let body = {}
  try { body = await response.json() } catch { /* not ours */ }
  return new ApiError(response.status, body.code || 'failed',
    body.message || `${response.status} ${response.statusText}`,
    Number(response.headers.get('Retry-After')) || 0)
}

function gone() {
  if (!link.error) link.since = Date.now()
  link.error = 'gone'
  return new ApiError(0, 'gone', '', 0)
}

async function ask(method, where, options) {
  let response
  try {
    response = await fetch(BASE + where, { method, cache: 'no-store', ...options })
  } catch {
    throw gone()
  }
  link.at = Date.now()
  link.error = null
  return response
}

/** Sends a command that changes something. Throws ApiError with the API's own sentence. */
export async function send(method, where, body) {
  const options = method === 'DELETE' ? {} : {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body || {}),
  }
  const response = await ask(method, where, options)
  if (!response.ok) {
    const error = await refusal(response)
    if (response.status === 401 && where !== '/session') loggedOut()
    throw error
  }
  if (where !== PREVIEW) refresh()
  const text = await response.text()
  return text ? JSON.parse(text) : null
}

/** Reads a path once, past the kept answers. */
export async function read(where) {
  const response = await ask('GET', where, {})
  if (!response.ok) throw await refusal(response)
  return response.json()
}

/** What is known of a path: {data, error}; data null: not known yet. It is read again at most
 * every `every` ms. */
export function get(where, every = FAST) {
  let entry = kept.get(where)
  if (!entry) {
    entry = { data: null, error: null, etag: null, due: 0, pause: every, every, busy: false }
    kept.set(where, entry)
    plan(0)
  }
  entry.wanted = true
  entry.every = every
  return entry
}

/** Reads all paths again soon, because something was changed. */
export function refresh() {
  for (const entry of kept.values()) {
    entry.pause = entry.every
    entry.due = 0
  }
  plan(0)
}

/** Runs a drawing, and forgets the paths that it did not ask for. */
export function drawing(run) {
  for (const entry of kept.values()) entry.wanted = false
  run()
  for (const [where, entry] of kept) if (!entry.wanted) kept.delete(where)
}

export function forget() {
  kept.clear()
}

/** Plans the next turn, unless one comes earlier. */
function plan(wait) {
  const at = Date.now() + wait
  if (timer && turnAt <= at) return
  clearTimeout(timer)
  turnAt = at
  timer = setTimeout(turn, wait)
}

function turn() {
  timer = 0
  if (document.hidden) return
  const now = Date.now()
  let next = 60000
  for (const [where, entry] of kept) {
    if (entry.busy) continue
    if (entry.due <= now) load(where, entry)
    else next = Math.min(next, entry.due - now)
  }
  plan(next)
}

async function load(where, entry) {
  entry.busy = true
  const before = link.error
  const begun = performance.now()
  try {
    await take(where, entry)
  } catch (error) {
    if (error.status === 401) loggedOut()
    entry.error = error
    entry.pause = Math.max(RETRY, error.wait * 1000, error.code === 'gone' ? 0 : entry.every)
    changed()
  }
  entry.busy = false
  entry.due = Date.now() + Math.max(entry.pause, SHARE * (performance.now() - begun))
  if (before && !link.error) refresh()
  plan(Math.min(entry.pause, FAST))
}

async function take(where, entry) {
  const headers = entry.etag ? { 'If-None-Match': entry.etag } : {}
  const response = await ask('GET', where, { headers })
  if (response.status === 304) {
    entry.pause = Math.min(entry.pause * 1.25, Math.max(SLOW, entry.every))
    if (entry.error) changed()
    entry.error = null
    return
  }
  if (!response.ok) throw await refusal(response)
  entry.data = await response.json()
  entry.etag = response.headers.get('ETag')
  entry.error = null
  entry.pause = entry.every
  quicken(where.split('?')[0])
  changed()
}

/** Reads the paths below one that changed at their own pace again: they may have changed too. */
function quicken(where) {
  for (const [below, entry] of kept) {
    if (!below.startsWith(`${where}/`)) continue
    entry.pause = entry.every
    entry.due = Math.min(entry.due, Date.now() + entry.every)
  }
}

/** Uploads a file: {done, abort}. told(bytes) is called on the way; done is a promise of the
 * server's answer. */
export function upload(name, file, told) {
  const request = new XMLHttpRequest()
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => told(event.loaded)
    request.onerror = () => reject(gone())
    request.onabort = () => reject(new ApiError(0, 'aborted', '', 0))
    request.onload = () => {
      let body = {}
      try { body = JSON.parse(request.responseText) } catch { /* not ours */ }
      if (request.status === 201) resolve(body)
      else reject(new ApiError(request.status, body.code, body.message || request.statusText, 0))
    }
  })
  request.open('PUT', BASE + path('files', name))
  request.setRequestHeader('Content-Type', 'application/octet-stream')
  request.send(file)
  return { done, abort: () => request.abort() }
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh() })
