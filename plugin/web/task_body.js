// The form of a task as an object, and the command that it becomes. Pure: no document.
import { clock, minuteOf } from './format.js'

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
    stopPercent: '20', stopMin: '5', stopCount: '', stopWindow: '', rate: '', rateDoubles: '',
    inFlight: '', windowed: false,
    windowFrom: '01:00', windowTo: '05:00', windowDays: [true, true, true, true, true, true, true],
    windowClock: 'broker', startAt: '', endAt: '', endAction: 'pause', responseMinutes: '',
    timeoutMinutes: '', attemptLimit: '', deferHours: '', retryLimit: '', retryMinutes: '',
    retryOn: 'transient', gate: 'version', trialMinutes: '', lostMinutes: '', minOnline: '',
    allowDowngrade: false, supersede: false, continuous: false }
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

/** The way of choosing devices that still lacks its value; null: none. Without it the command would
 * be for all devices. */
export function unchosen(form) {
  return form.whom === 'all' || Object.keys(chosen(form)).length ? null : form.whom
}

/** A number of the form; null: it is empty. */
function numberOf(text, factor = 1) {
  return text === '' || text === null || text === undefined ? null
    : Math.round(Number(text) * factor)
}

function windowOf(form) {
  if (!form.windowed) return { windowStart: null, windowMinutes: null }
  const from = minuteOf(form.windowFrom)
  return { windowStart: from, windowClock: form.windowClock,
    windowMinutes: (minuteOf(form.windowTo) - from + 1440) % 1440 || 1440,
    windowDays: form.windowDays.reduce((bits, on, i) => bits | (on ? 1 << i : 0), 0) }
}

/** The members of a task that the form sets; null: the field is empty. */
function settings(form) {
  return { name: form.name, description: form.description,
    stopFailedPercent: numberOf(form.stopPercent),
    stopFailedMin: form.stopPercent === '' ? null : numberOf(form.stopMin),
    stopFailedCount: numberOf(form.stopCount), stopWindow: numberOf(form.stopWindow),
    ratePerMinute: numberOf(form.rate), rateDoublesAfter: numberOf(form.rateDoubles),
    maxInFlight: numberOf(form.inFlight), minOnlineSeconds: numberOf(form.minOnline),
    responseTimeoutSeconds: numberOf(form.responseMinutes, 60),
    timeoutSeconds: numberOf(form.timeoutMinutes, 60), attemptLimit: numberOf(form.attemptLimit),
    deferSeconds: numberOf(form.deferHours, 3600), retryLimit: numberOf(form.retryLimit),
    retrySeconds: numberOf(form.retryMinutes, 60), retryOn: form.retryOn, gate: form.gate,
    trialSeconds: numberOf(form.trialMinutes, 60),
    lostSeconds: numberOf(form.lostMinutes, 60), ...windowOf(form),
    startAt: form.startAt ? new Date(form.startAt).getTime() : null,
    endAt: form.endAt ? new Date(form.endAt).getTime() : null,
    endAction: form.endAt ? form.endAction : null, allowDowngrade: form.allowDowngrade,
    supersede: form.supersede, continuous: form.whom === 'all' && form.continuous }
}

export function stagesBody(form) {
  return form.stages.map((s) => ({
    ...(s.unit === 'percent' ? { untilPercent: Number(s.until) } : { untilCount: Number(s.until) }),
    successPercent: Number(s.success), holdSeconds: Math.round(60 * Number(s.hold)),
    onSuccess: s.pause ? 'pause' : 'next',
  }))
}

/** The members of createTask. Empty fields are left out, and get the catalog's defaults. */
export function taskBody(form) {
  const given = Object.entries(settings(form)).filter(([, value]) => value !== null)
  const body = { firmwareId: form.firmwareId, mode: form.mode, ...Object.fromEntries(given),
    ...chosen(form) }
  if (form.whom !== 'all') body.releaseType = 'part'
  if (form.stages.length) body.stages = stagesBody(form)
  return body
}

// --- a task that exists ---

// of any other member an empty field changes nothing
const MAY_BE_NULL = ['stopFailedPercent', 'stopFailedCount', 'ratePerMinute', 'rateDoublesAfter',
  'maxInFlight', 'deferSeconds', 'lostSeconds', 'windowStart', 'windowMinutes', 'startAt', 'endAt']

/** Exact to the second, with as few digits as that needs. */
function minutes(seconds) {
  return seconds === null ? '' : String(Math.round(100 * seconds / 60) / 100)
}

function hours(seconds) {
  return seconds === null ? '' : String(Math.round(10000 * seconds / 3600) / 10000)
}

/** A time for a field of type datetime-local, which goes by the browser's zone. */
function localTime(ms) {
  return ms ? new Date(ms - 60000 * new Date(ms).getTimezoneOffset()).toISOString().slice(0, 16)
    : ''
}

function stageOf(s, task) {
  return { unit: s.untilPercent === null ? 'count' : 'percent',
    until: String(s.untilPercent ?? s.untilCount), success: String(s.successPercent),
    hold: minutes(s.holdSeconds), pause: s.onSuccess === 'pause',
    begun: s.stage < task.stage || (s.stage === task.stage && task.started > 0) }
}

/** The form of a task that exists. */
export function formOf(task) {
  const text = (value) => value === null ? '' : String(value)
  const window = task.windowStart === null ? {} : { windowed: true,
    windowFrom: clock(task.windowStart),
    windowTo: clock((task.windowStart + task.windowMinutes) % 1440),
    windowClock: task.windowClock,
    windowDays: [0, 1, 2, 3, 4, 5, 6].map((d) => Boolean(task.windowDays >> d & 1)) }
  return { ...emptyTask({}), ...window, editing: true, plan: task.stages.length ? 'own' : 'once',
    taskId: task.taskId, name: task.name, description: task.description, mode: task.mode,
    whom: task.releaseType === 'all' ? 'all' : 'devices',
    stages: task.stages.map((s) => stageOf(s, task)),
    stopPercent: text(task.stopFailedPercent), stopMin: text(task.stopFailedMin),
    stopCount: text(task.stopFailedCount), stopWindow: text(task.stopWindow),
    rate: text(task.ratePerMinute), rateDoubles: text(task.rateDoublesAfter),
    inFlight: text(task.maxInFlight), minOnline: text(task.minOnlineSeconds),
    startAt: localTime(task.startAt), endAt: localTime(task.endAt), endAction: task.endAction,
    responseMinutes: minutes(task.responseTimeoutSeconds),
    timeoutMinutes: minutes(task.timeoutSeconds), attemptLimit: text(task.attemptLimit),
    deferHours: hours(task.deferSeconds), retryLimit: text(task.retryLimit),
    retryMinutes: minutes(task.retrySeconds), retryOn: task.retryOn, gate: task.gate,
    trialMinutes: minutes(task.trialSeconds),
    lostMinutes: minutes(task.lostSeconds), allowDowngrade: task.allowDowngrade,
    supersede: task.supersede, continuous: task.continuous }
}

/** The members of modifyTask: those that were changed since the form was formOf(task). */
export function taskChanges(form, task) {
  const before = formOf(task)
  const was = settings(before)
  const changes = Object.fromEntries(Object.entries(settings(form)).filter(([name, value]) =>
    value !== was[name] && (value !== null || MAY_BE_NULL.includes(name))))
  if (JSON.stringify(stagesBody(form)) !== JSON.stringify(stagesBody(before))) {
    changes.stages = stagesBody(form)
  }
  return changes
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
