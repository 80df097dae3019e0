// Pictures in SVG. Each has its figures in words beside it, or as its label.
import { h } from './dom.js'
import { number, t, word } from './i18n.js'
import { percent, span, time } from './format.js'
import { icon, STATES } from './parts.js'

/** The five states as one bar. */
export function stateBar(task) {
  const total = task.total || 0
  const parts = STATES.filter((s) => task[s] > 0)
  const label = parts.map((s) => `${word('state', s)} ${number(task[s])}`).join(', ')
  return h('div', { class: 'bar', role: 'img', 'aria-label': label || t('chart.none') },
    total ? parts.map((s) => h('span', { key: s, class: `fill-${s}`, title:
      `${word('state', s)}: ${number(task[s])} (${percent(task[s], total)})`,
    style: { 'flex-grow': task[s] / total } })) : null)
}

/** The states of the bar in words; with onPick each is a button that filters. */
export function stateLegend(task, onPick, picked) {
  return h('ul', { class: 'legend' }, STATES.filter((s) => onPick || task[s] > 0).map((s) => {
    const content = [h('span', { class: `mark mark-${s}` }, icon(s)), word('state', s), ' ',
      h('b', null, number(task[s] || 0))]
    return h('li', { key: s }, onPick
      ? h('button', { type: 'button', class: 'pick', 'aria-pressed': String(picked === s),
        onClick: () => onPick(picked === s ? '' : s) }, content)
      : content)
  }))
}

/** Parts as one bar. parts: {label, count}, the largest first; those behind `most` become one. */
export function partsBar(parts, most = 6) {
  const total = parts.reduce((sum, p) => sum + p.count, 0)
  const shown = parts.slice(0, most)
  const rest = parts.slice(most).reduce((sum, p) => sum + p.count, 0)
  if (rest) shown.push({ label: t('chart.others', { n: parts.length - most }), count: rest })
  return h('div', { class: 'parts' },
    h('div', { class: 'bar', role: 'img', 'aria-label':
      shown.map((p) => `${p.label} ${number(p.count)}`).join(', ') },
    shown.map((p, i) => h('span', { key: i, class: `part part-${i}`, title:
      `${p.label}: ${number(p.count)}`, style: { 'flex-grow': total ? p.count / total : 0 } }))),
    h('ul', { class: 'legend' }, shown.map((p, i) => h('li', { key: i },
      h('span', { class: `swatch part-${i}` }), h('span', { class: 'id' }, p.label), ' ',
      h('b', null, number(p.count)), h('span', { class: 'quiet' },
        ` ${percent(p.count, total)}`)))))
}

let W = 720 // a picture is drawn as wide as it is shown, so that its letters keep their size
const H = 200
const LEFT = 46
const BOTTOM = 24
const TOP = 12

function widthOf(share) {
  const room = Math.min(window.innerWidth, 1320) - 90
  return Math.max(260, Math.round(window.innerWidth < 1000 ? room : room * share))
}

function x(at, from, to) {
  return LEFT + (W - LEFT - 8) * (to > from ? (at - from) / (to - from) : 1)
}

function y(count, most) {
  return H - BOTTOM - (H - BOTTOM - TOP) * (most ? count / most : 0)
}

function line(points, name, from, to, most) {
  return 'M' + points.map((p) =>
    `${x(p.at, from, to).toFixed(1)} ${y(p[name], most).toFixed(1)}`).join('L')
}

function ticks(most) {
  const rough = most / 4
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)))
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) || 1
  const out = []
  for (let value = 0; value <= most; value += step) out.push(value)
  return out
}

/** Devices that ended, over time. points: {at, success, failed}; stages: {at, kind, label}; aim:
 * how many devices there are; since: ms, where the picture begins; now: how many the current stage
 * starts, which fit into the picture's height. */
export function progressChart(points, stages, aim, since, now = aim) {
  if (!points.length) return h('p', { class: 'quiet' }, t('task.nothingEnded'))
  W = widthOf(0.48)
  const from = Math.min(since, points[0].at)
  const to = points.at(-1).at
  const all = [{ at: from, success: 0, failed: 0 }, ...points]
  const most = Math.max(Math.min(now || aim, aim) * 1.08, all.at(-1).success, all.at(-1).failed, 1)
  const end = all.at(-1)
  const area = `${line(all, 'success', from, to, most)}L${x(to, from, to)} ${y(0, most)}` +
    `L${x(from, from, to)} ${y(0, most)}Z`
  const label = t('chart.progress', { success: end.success, failed: end.failed, of: aim,
    span: span(to - from) })
  return h('figure', { class: 'chart' },
    h('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': label },
      ticks(most).map((v) => h('g', { key: `t${v}` },
        h('line', { class: 'grid', x1: LEFT, x2: W - 8, y1: y(v, most), y2: y(v, most) }),
        h('text', { class: 'axis', x: LEFT - 6, y: y(v, most) + 4, 'text-anchor': 'end' },
          number(v)))),
      now < aim ? h('line', { class: 'aim', x1: LEFT, x2: W - 8, y1: y(now, most), y2: y(now,
        most) })
        : null,
      h('path', { class: 'area', d: area }),
      stages.map((s, i) => {
        const at = x(Math.max(from, s.at), from, to)
        const late = at > W - 120
        return h('g', { key: `s${i}` },
          h('line', { class: `stage ${s.kind || ''}`, x1: at, x2: at, y1: TOP, y2: H - BOTTOM }),
          h('text', { class: 'axis', x: at + (late ? -4 : 4), y: TOP + 8 + 12 * (i % 3),
            'text-anchor': late ? 'end' : 'start' }, s.label))
      }),
      h('path', { class: 'line-success', d: line(all, 'success', from, to, most) }),
      h('path', { class: 'line-failed', d: line(all, 'failed', from, to, most) }),
      h('text', { class: 'axis', x: LEFT, y: H - 6 }, time(from)),
      h('text', { class: 'axis', x: W - 8, y: H - 6, 'text-anchor': 'end' }, time(to))),
    h('figcaption', null, h('span', { class: 'key key-success' }), `${word('state', 'success')} `,
      h('b', null, number(end.success)), ' ', h('span', { class: 'key key-failed' }),
      `${word('state', 'failed')} `, h('b', null, number(end.failed)),
      h('span', { class: 'quiet' }, ` ${t('chart.of', { n: aim })}`)))
}

/** The stages as steps that rise: {until (0 to 100), percent, count, success, hold (seconds)};
 * current: from 1, 0 for none. */
export function stagesPicture(stages, current = 0, started = 0, total = 0) {
  const width = Math.min(700, widthOf(0.5))
  const height = 120
  const step = width / stages.length
  const base = height - 22
  const top = (s) => base - 6 - (base - 30) * Math.min(100, s.until) / 100
  return h('svg', { class: 'stages', viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': stages.map((s, i) => t('stage.label', { stage: i + 1, until: stageText(s),
      success: s.success, hold: span(1000 * s.hold) })).join('; ') },
  stages.map((s, i) => {
    const left = i * step
    const begun = i + 1 < current ? 'past' : i + 1 === current ? 'now' : 'next'
    return h('g', { key: i },
      h('rect', { class: `step ${begun}`, x: left + 2, y: top(s), width: step - 4,
        height: base - top(s) }),
      i + 1 === current && total ? h('rect', { class: 'step filled', x: left + 2,
        y: base - (base - top(s)) * Math.min(1, started / Math.max(1, s.count || total)),
        width: step - 4,
        height: (base - top(s)) * Math.min(1, started / Math.max(1, s.count || total)) }) : null,
      h('text', { class: 'stage-name', x: left + step / 2, y: top(s) - 6,
        'text-anchor': 'middle' }, stageText(s, step < 140)),
      h('text', { class: 'axis', x: left + step / 2, y: height - 6, 'text-anchor': 'middle' },
        step < 90 ? '' : i + 1 < stages.length
          ? t('stage.gate', { success: s.success, hold: span(1000 * s.hold) })
          : t('stage.last')))
  }))
}

function stageText(s, short) {
  const share = s.percent !== null && s.percent !== undefined ? `${number(s.percent)} %` : null
  const count = s.count ? t('devices', { n: s.count }) : null
  if (share && count && short) return `${share} · ${number(s.count)}`
  return share && count ? `${share} · ${count}` : share || count || ''
}

/** Events on a line of time. items: {at, kind, label}. */
export function timeline(items) {
  if (!items.length) return null
  W = widthOf(1)
  const sorted = [...items].sort((a, b) => a.at - b.at)
  const from = sorted[0].at
  const to = sorted.at(-1).at
  const place = (at) => 20 + (W - 40) * (to > from ? (at - from) / (to - from) : 0.5)
  let last = -200
  let row = 0
  return h('svg', { class: 'timeline', viewBox: `0 0 ${W} 92`, role: 'img', 'aria-label':
    sorted.map((i) => `${time(i.at)} ${i.label}`).join('; ') },
  h('line', { class: 'grid', x1: 12, x2: W - 12, y1: 62, y2: 62 }),
  sorted.map((i, n) => {
    const at = place(i.at)
    const named = i.kind !== 'progress'
    if (named) {
      row = at - last < 110 ? (row + 1) % 3 : 0
      last = at
    }
    const anchor = at < 90 ? 'start' : at > W - 90 ? 'end' : 'middle'
    return h('g', { key: n }, h('title', null, `${time(i.at)} ${i.label}`),
      named ? h('line', { class: 'stem', x1: at, x2: at, y1: 60, y2: 18 + 15 * row }) : null,
      h('circle', { class: `dot dot-${i.kind}`, cx: at, cy: 62, r: named ? 5 : 2.5 }),
      named ? h('text', { class: 'axis', x: at, y: 14 + 15 * row, 'text-anchor': anchor },
        i.label.length > 22 ? `${i.label.slice(0, 21)}…` : i.label) : null)
  }),
  h('text', { class: 'axis', x: 12, y: 86 }, time(from)),
  h('text', { class: 'axis', x: W - 12, y: 86, 'text-anchor': 'end' }, time(to)))
}
