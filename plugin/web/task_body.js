// What the form of a new task holds, and the command that it becomes. No document here: pure.
import { minuteOf } from './format.js'

export const PLANS = {
  once: [],
  careful: [stage(1, 90, 3600), stage(10, 90, 3600), stage(100, 90, 0)],
  quick: [stage(10, 90, 600), stage(50, 90, 600), stage(100, 90, 0)],
}

function stage(percent, success, hold) {
  return { unit: 'percent', until: String(percent), success: String(success),
    hold: String(hold / 60), pause: false }
}

export function emptyTask(query) {
  const id = [...crypto.getRandomValues(new Uint8Array(8))].map((b) =>
    b.toString(16).padStart(2, '0')).join('')
  return { taskId: id, firmwareId: query.firmwareId || '', productId: '', name: '', description: '',
    mode: 'push', whom: query.devices ? 'devices' : 'all',
    devices: new Set((query.devices || '').split(',').filter(Boolean)), pasted: '', find: '',
    tag: '', version: '', presence: '', plan: 'once', stages: [],
    stopPercent: '20', stopMin: '5', stopCount: '', rate: '', inFlight: '', windowed: false,
    windowFrom: '01:00', windowTo: '05:00', windowDays: [true, true, true, true, true, true, true],
    windowClock: 'broker', startAt: '', endAt: '', endAction: 'pause', responseMinutes: '',
    timeoutMinutes: '', retryLimit: '', retryMinutes: '', trialMinutes: '', lostMinutes: '',
    minOnline: '', allowDowngrade: false, supersede: false, continuous: false }
}

/** Ids that are ticked or pasted, each once. */
export function deviceIds(form) {
  const pasted = form.pasted.split(/[\s,;]+/).filter(Boolean)
  return [...new Set([...form.devices, ...pasted])]
}

export function chosen(form) {
  if (form.whom === 'devices') return deviceIds(form).length ? { devices: deviceIds(form) } : {}
  if (form.whom === 'tag') return form.tag ? { tag: form.tag } : {}
  if (form.whom === 'filter') {
    const filter = {}
    if (form.version) filter.version = form.version
    if (form.presence) filter.presence = form.presence
    return Object.keys(filter).length ? { filter } : {}
  }
  return {}
}

/** A number of the form; what is empty is left to the catalog. */
function put(body, name, text, factor = 1) {
  if (text !== '' && text !== null && text !== undefined) {
    body[name] = Math.round(Number(text) * factor)
  }
}

function putWindow(body, form) {
  if (!form.windowed) return
  const from = minuteOf(form.windowFrom)
  const length = (minuteOf(form.windowTo) - from + 1440) % 1440 || 1440
  Object.assign(body, { windowStart: from, windowMinutes: length, windowClock: form.windowClock,
    windowDays: form.windowDays.reduce((bits, on, i) => bits | (on ? 1 << i : 0), 0) })
}

export function stagesBody(form) {
  return form.stages.map((s) => ({
    ...(s.unit === 'percent' ? { untilPercent: Number(s.until) } : { untilCount: Number(s.until) }),
    successPercent: Number(s.success), holdSeconds: Math.round(60 * Number(s.hold)),
    onSuccess: s.pause ? 'pause' : 'next',
  }))
}

export function taskBody(form) {
  const body = { firmwareId: form.firmwareId, name: form.name, mode: form.mode,
    description: form.description }
  Object.assign(body, chosen(form))
  if (form.whom !== 'all') body.releaseType = 'part'
  if (form.stages.length) body.stages = stagesBody(form)
  put(body, 'stopFailedPercent', form.stopPercent)
  if (form.stopPercent !== '') put(body, 'stopFailedMin', form.stopMin)
  put(body, 'stopFailedCount', form.stopCount)
  put(body, 'ratePerMinute', form.rate)
  put(body, 'maxInFlight', form.inFlight)
  put(body, 'minOnlineSeconds', form.minOnline)
  put(body, 'responseTimeoutSeconds', form.responseMinutes, 60)
  put(body, 'timeoutSeconds', form.timeoutMinutes, 60)
  put(body, 'retryLimit', form.retryLimit)
  put(body, 'retrySeconds', form.retryMinutes, 60)
  put(body, 'trialSeconds', form.trialMinutes, 60)
  put(body, 'lostSeconds', form.lostMinutes, 60)
  putWindow(body, form)
  if (form.startAt) body.startAt = new Date(form.startAt).getTime()
  if (form.endAt) Object.assign(body, { endAt: new Date(form.endAt).getTime(),
    endAction: form.endAction })
  for (const name of ['allowDowngrade', 'supersede']) if (form[name]) body[name] = true
  if (form.continuous && form.whom === 'all') body.continuous = true
  return body
}

/** The stages as the picture wants them, of n devices. */
export function stagesPictured(form, n) {
  return form.stages.map((s) => {
    const until = Number(s.until) || 0
    const isShare = s.unit === 'percent'
    const count = n ? isShare ? Math.max(1, Math.ceil(n * until / 100 - 1e-9)) : Math.min(until, n)
      : isShare ? 0 : until
    return { until: isShare ? until : n ? 100 * count / n : 50, percent: isShare ? until : null,
      count, success: Number(s.success) || 0, hold: 60 * (Number(s.hold) || 0) }
  })
}
