// Writes numbers, sizes and times for people.
import { language, number, t } from './i18n.js'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function bytes(count) {
  if (count === null || count === undefined) return '–'
  let unit = 0
  while (count >= 1024 && unit < UNITS.length - 1) {
    count /= 1024
    unit++
  }
  const digits = unit === 0 || count >= 100 ? 0 : 1
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(count)} ` +
    UNITS[unit]
}

function isToday(date) {
  return date.toDateString() === new Date().toDateString()
}

/** 14:03:05 today, else with the date. */
export function time(ms) {
  if (!ms) return '–'
  const date = new Date(ms)
  const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }
  if (isToday(date)) return date.toLocaleTimeString(language, clock)
  return date.toLocaleString(language, {
    year: 'numeric', month: '2-digit', day: '2-digit', ...clock, second: undefined,
  })
}

export function fullTime(ms) {
  return ms ? new Date(ms).toLocaleString(language, { hour12: false }) : ''
}

/** "12 s", "3 min", "2 h 5 min", "4 d" */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return t('span.s', { s: seconds })
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return t('span.min', { min: minutes })
  const hours = Math.floor(minutes / 60)
  if (hours < 48) {
    return minutes % 60 ? t('span.hmin', { h: hours, min: minutes % 60 }) : t('span.h', { h:
      hours })
  }
  return t('span.d', { d: Math.floor(hours / 24) })
}

/** "3 min ago" or "in 3 min" */
export function ago(ms) {
  if (!ms) return t('never')
  const passed = Date.now() - ms
  return passed < 0 ? t('in', { span: span(-passed) }) : t('ago', { span: span(passed) })
}

export function percent(part, whole) {
  if (!whole) return '0 %'
  const share = 100 * part / whole
  const text = share > 0 && share < 1 ? '< 1' : share > 99 && share < 100 ? '> 99'
    : number(Math.round(share))
  return `${text} %`
}

/** A minute of the day as 23:05; minuteOf reads it back. */
export function clock(minute) {
  const pad = (n) => String(n).padStart(2, '0')
  return `${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`
}

export function minuteOf(text) {
  const [hours, minutes] = text.split(':').map(Number)
  return 60 * hours + minutes
}
