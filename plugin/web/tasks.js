// The screen of all tasks, the newest first.
import * as api from './api.js'
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { empty, heading, missing, select } from './parts.js'
import { addressFilter, pager, productSelect } from './filters.js'
import { taskCard } from './task_card.js'

export function tasks({ query, setQuery, admin }) {
  const { filter, set } = addressFilter(['productId', 'state', 'after'], query, setQuery)
  function view() {
    const entry = api.get(`/tasks${api.query({ count: 24, ...filter })}`)
    return [
      heading(t('nav.tasks'), admin ? h('a', { class: 'button primary', href: '#/tasks/new' },
        t('task.new')) : null),
      h('div', { class: 'filters' }, productSelect(filter.productId, (v) => set({ productId: v })),
        h('label', null, t('state'), select(filter.state, [['', t('all')],
          ...['running', 'paused', 'stopped'].map((s) => [s, word('taskState', s)])],
        (v) => set({ state: v }), { name: 'state' }))),
      !entry.data ? missing(entry) : entry.data.items.length
        ? [h('div', { class: 'cards' }, entry.data.items.map((task) => taskCard(task, 'h2'))),
          pager(entry.data, filter, set)]
        : empty(filter.productId || filter.state ? t('tasks.noneFound') : t('tasks.none')),
    ]
  }
  return { title: () => t('nav.tasks'), view }
}
