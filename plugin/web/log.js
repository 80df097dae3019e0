// The screen of the logs: commands of people, and what happened to tasks.
import * as api from './api.js'
import { h } from './dom.js'
import { t, word, written } from './i18n.js'
import { empty, heading, missing, state, table, taskLink, when } from './parts.js'
import { addressFilter, pager, textSelect } from './filters.js'

const NAMES = ['kind', 'who', 'subject', 'after']

const adminColumns = () => [
  { title: t('time'), cell: (l) => when(l.at) },
  { title: t('log.who'), class: 'id', cell: (l) => l.who || '–' },
  { title: t('log.from'), class: 'id', cell: (l) => l.from },
  { title: t('log.command'), cell: (l) => l.command },
  { title: t('log.subject'), class: 'id', cell: (l) =>
    taskLink(l.subject, '', l.subject) },
  { title: t('log.outcome'), cell: (l) => l.outcome === 'ok' ? state('outcome', 'done')
    : [state('outcome', 'rejected'), ' ', l.outcome] },
]

const taskColumns = () => [
  { title: t('time'), cell: (l) => when(l.at) },
  { title: t('log.who'), cell: (l) => word('who', l.who) },
  { title: t('task'), cell: (l) => taskLink(l.taskId) },
  { title: t('event'), cell: (l) => word('what', l.what) },
  { title: t('detail'), cell: (l) => written(l.detail) },
]

export function log({ query, setQuery }) {
  const { filter, set } = addressFilter(NAMES, query, setQuery)
  function view() {
    const tasks = filter.kind === 'tasks'
    const entry = api.get(tasks
      ? `/log/tasks${api.query({ count: 100, taskId: filter.subject, after: filter.after })}`
      : `/log${api.query({ count: 100, who: filter.who, subject: filter.subject,
        after: filter.after })}`, 2000)
    const rows = entry.data ? entry.data.items : []
    return [
      heading(t('nav.log')),
      h('div', { class: 'tabs', role: 'group', 'aria-label': t('nav.log') }, ['admin', 'tasks']
        .map((kind) => h('button', { key: kind, type: 'button', 'aria-pressed':
          String((filter.kind || 'admin') === kind), onClick: () => set({ kind, who: '',
          subject: '' }) }, t(`log.${kind}`)))),
      h('div', { class: 'filters' },
        tasks ? null : textSelect(t('log.who'), filter.who, (v) => set({ who: v }), 'who'),
        textSelect(tasks ? t('task') : t('log.subject'), filter.subject,
          (v) => set({ subject: v }), 'subject')),
      !entry.data ? missing(entry) : rows.length
        ? [table(t('nav.log'), tasks ? taskColumns() : adminColumns(), rows, (l) => l.logId,
          { class: 'dense' }), pager(entry.data, filter, set)]
        : empty(t('log.none')),
    ]
  }
  return { title: () => t('nav.log'), view }
}
