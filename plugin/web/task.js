// The screen of a task: how far it is, why devices failed, what can be done, its devices.
import * as api from './api.js'
import { h } from './dom.js'
import { number, t, word, written } from './i18n.js'
import { percent, span } from './format.js'
import { card, facts, heading, link, missing, note, state, when } from './parts.js'
import { progressChart, stagesPicture, stateBar, stateLegend } from './charts.js'
import { isOpen, outlook, stageText, stateOf, windowText } from './task_card.js'
import { taskActions } from './task_actions.js'
import { taskDevices } from './task_devices.js'

const DAY = 86400000

/** The stages of the API as the picture wants them. */
function stagesOf(list) {
  return list.map((s) => ({ until: s.untilPercent ?? 100, percent: s.untilPercent, count: s.budget,
    success: s.successPercent, hold: s.holdSeconds }))
}

function rules(task) {
  const stop = [task.stopFailedPercent ? t('rule.percent', { percent: task.stopFailedPercent,
    n: task.stopFailedMin }) : null, task.stopFailedCount ? t('rule.count',
    { n: task.stopFailedCount }) : null].filter(Boolean).join(t('or'))
  const also = ['allowDowngrade', 'supersede', 'continuous'].filter((name) => task[name])
  return facts([
    [t('rule.stop'), stop || t('rule.none')],
    [t('rule.rate'), task.ratePerMinute ? t('rule.perMinute', { n: task.ratePerMinute })
      : t('rule.noLimit'), task.ratePerMinute && task.rateDoublesAfter
      ? `, ${t('rule.doubles', { n: task.rateDoublesAfter })}` : null, task.maxInFlight
      ? `, ${t('rule.inFlight', { n: task.maxInFlight })}` : null],
    windowText(task) ? [t('rule.window'), windowText(task)] : null,
    task.startAt ? [t('rule.start'), when(task.startAt)] : null,
    task.endAt ? [t('rule.end'), when(task.endAt), ` (${word('end', task.endAction)})`] : null,
    [t('rule.timeouts'), `${span(1000 * task.responseTimeoutSeconds)} / ` +
      span(1000 * task.timeoutSeconds)],
    [t('rule.attempts'), number(task.attemptLimit)],
    task.retryLimit ? [t('rule.retry'), t('rule.retries', { n: task.retryLimit,
      span: span(1000 * task.retrySeconds) }), ` (${word('retryOn', task.retryOn)})`] : null,
    task.gate === 'version' ? null : [t('rule.gate'), word('gate', task.gate)],
    task.trialSeconds ? [t('rule.trial'), span(1000 * task.trialSeconds)] : null,
    task.lostSeconds ? [t('rule.lost'), span(1000 * task.lostSeconds)] : null,
    task.deferSeconds === null ? null : [t('rule.defer'), span(1000 * task.deferSeconds)],
    task.minOnlineSeconds ? [t('rule.online'), span(1000 * task.minOnlineSeconds)] : null,
    also.length ? [t('rule.also'), also.map((name) => t(`also.${name}`)).join(', ')] : null,
    task.description ? [t('description'), task.description] : null,
  ])
}

/** The lines of the log that the picture marks: when a stage began, when the task paused or went
 * on. */
function marks(log) {
  return log.filter((l) => ['stage', 'paused', 'resumed'].includes(l.what)).reverse()
    .map((l) => ({ at: l.at, kind: l.what, label: l.what === 'stage' ? stageMark(l.detail)
      : word('what', l.what) }))
}

function stageMark(detail) {
  const found = /\d+/.exec(detail || '')
  return found ? t('task.stageN', { stage: Number(found[0]) }) : word('what', 'stage')
}

export function task({ parts, query, redraw, admin, setQuery }) {
  const id = parts[0]
  const where = api.path('tasks', id)
  const list = taskDevices({ id, query, redraw, admin, setQuery })

  function header(data) {
    const ended = data.success + data.failed
    const why = data.state === 'paused' ? written(data.pausedReason) ||
      (data.started ? '' : t('task.draft')) : null
    return h('section', { class: 'card task-header' },
      h('div', { class: 'task-head' }, h('div', null, state('taskState', stateOf(data)), ' ',
        h('span', { class: 'quiet' }, link(`#/firmware${api.query({ productId: data.productId })}`,
          data.productId), ' → ', h('b', { class: 'id' }, data.version),
        ` · ${word('mode', data.mode)} · ${word('release', data.releaseType)} · `,
        t('created'), ' ', when(data.createdAt))),
      h('b', { class: 'percent large' }, percent(ended, data.total - data.canceled))),
      why ? note('warn', h('strong', null, t('task.pausedBecause')), ' ', why,
        data.pausedAt ? [' (', when(data.pausedAt), ')'] : null) : null,
      stateBar(data), stateLegend(data, list.pickState, list.filter.state),
      h('p', { class: 'quiet' }, t('task.counts', { total: data.total, started: data.started,
        proved: data.proved, bad: data.bad }), stageText(data) ? ` · ${stageText(data)}` : ''),
      data.state === 'running' ? outlook(data).map((text, i) => h('p', { key: i }, text)) : null,
      admin ? taskActions(data) : null)
  }

  function failures(data) {
    if (!data.failed && !data.bad) return null
    const entry = api.get(`${where}/failures`, 3000)
    const items = entry.data ? entry.data.items : []
    const most = Math.max(1, ...items.map((i) => i.count))
    return card(t('task.failures'), entry.data ? h('ul', { class: 'reasons' }, items.slice(0, 12)
      .map((item) => {
        const reason = item.errorReason || item.failure || ''
        const on = list.filter.reason === reason
        return h('li', { key: `${item.failure} ${item.errorReason}` },
          h('button', { type: 'button', class: 'pick', 'aria-pressed': String(on), onClick: () =>
            list.pickReason(on ? '' : reason) },
          h('span', { class: 'count' }, number(item.count)),
          h('span', { class: 'reason-text' }, h('b', null, word('failure', item.failure)), ' ',
            item.errorReason), h('span', { class: 'meter', style: {
            width: `${100 * item.count / most}%` } })))
      })) : missing(entry), h('p', { class: 'help' }, t('task.failuresHelp')))
  }

  function history(log) {
    return card(t('task.log'), h('ol', { class: 'log' }, log.slice(0, 12).map((l) =>
      h('li', { key: l.logId }, when(l.at), ' ', h('b', null, word('what', l.what)), ' ',
        written(l.detail),
        h('span', { class: 'quiet' }, ` ${word('who', l.who)}`)))))
  }

  function view() {
    const entry = api.get(where)
    if (!entry.data) return [heading(id), missing(entry)]
    const data = entry.data
    const quiet = !isOpen(data) && Date.now() - data.createdAt > DAY
    const progress = api.get(`${where}/progress?points=120`, quiet ? 30000 : 3000)
    const log = api.get(`/tasks/${encodeURIComponent(id)}/log?count=50`, 3000)
    const lines = log.data ? log.data.items : []
    const stages = stagesOf(data.stages)
    return [
      heading(data.name),
      entry.error && entry.error.code !== 'gone' ? note('error', entry.error.message) : null,
      header(data),
      h('div', { class: 'columns' },
        card(t('task.over'), progress.data ? progressChart(progress.data.items, marks(lines),
          data.total - data.canceled, firstStart(data, progress.data.items),
          data.stages[data.stage - 1]?.budget) : missing(progress)),
        failures(data),
        stages.length ? card(t('task.stages'), stagesPicture(stages,
          stateOf(data) === 'done' ? stages.length + 1 : data.stage, data.started,
          data.total - data.canceled)) : null,
        card(t('task.rules'), rules(data)),
        lines.length ? history(lines) : null),
      list.view(data),
    ]
  }
  return { title: () => api.get(where).data?.name || id, view }
}

/** The picture begins when the task did, unless that was long before the first device. */
function firstStart(data, points) {
  if (!points.length) return data.createdAt
  const length = points.at(-1).at - points[0].at
  return Math.max(data.createdAt, points[0].at - Math.max(length, 60000))
}
