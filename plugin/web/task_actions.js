// The buttons of a task: each is offered when it makes sense, and says first what it will do.
import * as api from './api.js'
import { ask } from './dialog.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { button, textField } from './parts.js'
import { isOpen, isStuck } from './task_card.js'

function verb(task, name, values, given = {}) {
  return button(t(`do.${name}`, values), () => ask({
    title: t(`do.${name}.title`, { task: task.name }),
    text: t(`do.${name}.text`, values), label: t(`do.${name}`, values),
    run: () => api.send('POST', `${api.path('tasks', task.taskId)}/${name}`, given.body?.()),
    done: (result) => t(`do.${name}.done`, { n: result?.changed ?? 0 }), ...given,
  }), { class: given.class })
}

function pause(task) {
  const form = { reason: '' }
  return button(t('do.pause'), () => ask({
    title: t('do.pause.title', { task: task.name }), text: t('do.pause.text'), label: t('do.pause'),
    body: (redraw) => textField(form, 'reason', { label: t('do.pause.reason') }, redraw,
      { maxlength: 200 }),
    run: () => api.send('POST', `${api.path('tasks', task.taskId)}/pause`,
      form.reason ? { pausedReason: form.reason } : {}),
    done: t('do.pause.done'),
  }))
}

export function taskActions(task) {
  const open = isOpen(task)
  const stages = task.stages.length
  const next = task.stages[task.stage]
  return h('div', { class: 'actions' },
    task.state === 'paused' ? verb(task, 'resume', { n: task.waiting }, { class: 'primary',
      ...isStuck(task) ? { text: t('task.stuck', { n: task.failed }) } : {} }) : null,
    task.state === 'running' && open ? pause(task) : null,
    task.state !== 'stopped' && open && stages > task.stage
      ? verb(task, 'nextStage', { stage: next.stage, n: next.budget }) : null,
    task.failed > 0 && task.state !== 'stopped' ? verb(task, 'retry', { n: task.failed }) : null,
    task.state === 'stopped' ? verb(task, 'continue', { n: task.canceled }) : null,
    task.state !== 'stopped' && open
      ? verb(task, 'stop', { n: task.waiting, m: task.processing }, { danger: true }) : null,
    h('a', { class: 'button', href: `#${api.path('tasks', task.taskId)}/edit` }, t('edit')),
    !open ? button(t('do.delete'), () => ask({ title: t('do.delete.title', { task: task.name }),
      text: t('do.delete.text'), label: t('do.delete'), danger: true,
      run: async () => {
        await api.send('DELETE', api.path('tasks', task.taskId))
        location.hash = '#/tasks'
      }, done: t('deleted', { id: task.name }) })) : null)
}
