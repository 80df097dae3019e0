// A task on a card: how far it is, and what it waits for.
import { h } from './dom.js'
import { number, t, word, written } from './i18n.js'
import { clock, percent, span, time } from './format.js'
import { icon, link, state, taskAddress } from './parts.js'
import { stateBar, stateLegend } from './charts.js'

/** True while a device waits or is under way, or one may start by itself. */
export function isOpen(task) {
  return task.waiting + task.processing > 0 ||
    (task.state !== 'stopped' && (task.retrying > 0 || task.continuous))
}

/** running, paused, stopped, or done: nothing is open any more. */
export function stateOf(task) {
  return task.state === 'running' && task.total && !isOpen(task) ? 'done' : task.state
}

/** Sentences that say what the task does next, or waits for. */
export function outlook(task) {
  const out = []
  if (task.state === 'paused' && isOpen(task)) {
    out.push(written(task.pausedReason) || t('task.pausedByHand'))
  }
  if (task.state === 'running' && isOpen(task)) {
    if (task.offline > 0) out.push(t('task.offline', { n: task.offline }))
    const held = task.stages.length > task.stage ? nextStage(task) : null
    if (held) out.push(held)
    if (task.waitsFor && task.waitsFor !== 'stage') out.push(waits(task))
    if (task.retrying > 0) out.push(t('task.retrying', { n: task.retrying }))
    if (isStuck(task)) out.push(t('task.stuck', { n: task.failed }))
    else out.push(...pace(task, held))
  }
  return out
}

/** True when so many devices of the stage failed that no later stage begins by itself. */
export function isStuck(task) {
  const now = task.stages[task.stage - 1]
  return task.stages.length > task.stage && task.failed > 0 && !task.retrying &&
    now.budget - task.bad < now.needed
}

/** Guesses how long it takes. perMinute is an average of ten minutes, also of a task that is
 * younger. Devices that are offline, or wait for a later stage, are left out: nobody knows when
 * they start. */
function pace(task, held) {
  const began = Math.max(task.createdAt, task.startAt || 0)
  const minutes = Math.min(10, Math.max(1, (Date.now() - began) / 60000))
  const rate = task.perMinute * 10 / minutes
  const open = task.waiting + task.processing - task.offline
  const left = held ? Math.min(open, task.stages[task.stage - 1].budget - task.started +
    task.processing) : open
  if (!(rate > 0 && left > 0)) return []
  return [t(held ? 'task.paceStage' : 'task.pace', { n: number(Math.round(10 * rate) / 10),
    span: span(60000 * left / rate) })]
}

function nextStage(task) {
  const next = task.stages[task.stage]
  const now = task.stages[task.stage - 1]
  const held = Math.max(0, task.total - task.canceled - now.budget)
  if (!held) return null
  const until = task.nextAt && task.nextAt > Date.now() ? ` ${t('task.nextAt', {
    time: time(task.nextAt), span: span(task.nextAt - Date.now()) })}` : ''
  return t('task.waitStage', { n: Math.min(held, task.waiting), stage: next.stage,
    proved: Math.min(task.proved, now.budget), needed: now.needed }) + until
}

function waits(task) {
  const text = t('task.waitsFor', { what: word('waits', task.waitsFor) })
  return task.nextAt ? `${text} ${t('task.nextAt', { time: time(task.nextAt),
    span: span(task.nextAt - Date.now()) })}` : text
}

export function stageText(task) {
  return task.stages.length ? t('task.stageOf', { stage: task.stage, stages: task.stages.length })
    : null
}

export function windowText(task) {
  if (task.windowStart === null) return null
  const end = (task.windowStart + task.windowMinutes) % 1440
  const days = [0, 1, 2, 3, 4, 5, 6].filter((d) => task.windowDays >> d & 1)
  const named = days.length === 7 ? t('day.all') : days.map((d) => t(`day.${d}`)).join(' ')
  return `${named} ${clock(task.windowStart)}–${clock(end)} (${word('clock', task.windowClock)})`
}

/** A task as a card. heading: h2 or h3, below the heading above the cards. */
export function taskCard(task, heading = 'h3') {
  const ended = task.success + task.failed
  const what = stateOf(task)
  return h('article', { class: `card task task-${what}`, key: task.taskId },
    h('div', { class: 'task-head' },
      h(heading, null, link(taskAddress(task.taskId), task.name)),
      state('taskState', what)),
    h('p', { class: 'quiet' }, h('span', { class: 'id' }, task.productId), ' → ',
      h('b', { class: 'id' }, task.version), ` · ${word('mode', task.mode)}`,
      stageText(task) ? ` · ${stageText(task)}` : null),
    h('div', { class: 'task-bar' }, stateBar(task), h('b', { class: 'percent' },
      percent(ended, task.total - task.canceled))),
    stateLegend(task),
    outlook(task).map((text, i) => h('p', { key: i, class: task.state === 'paused' ? 'why'
      : 'quiet' },
      task.state === 'paused' ? [icon('paused'), ' '] : null, text)))
}
