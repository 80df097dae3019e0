// The form that changes a task's rules. Its firmware, devices and mode stay as they are.
import * as api from './api.js'
import { say, sentence } from './dialog.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { card, heading, missing, note, textField } from './parts.js'
import { formOf, taskChanges } from './task_body.js'
import { moreFields } from './task_more.js'
import { paceFields, stageFields, stopFields } from './task_rules.js'

export function taskEdit({ parts, redraw, admin }) {
  const where = api.path('tasks', parts[0])
  let form = null
  let given = null
  let error = null
  let busy = false

  /** Only what was changed here: somebody else may have changed the rest meanwhile. */
  async function save(event) {
    event.preventDefault()
    busy = true
    error = null
    redraw()
    try {
      const changes = taskChanges(form, given)
      if (Object.keys(changes).length) await api.send('PATCH', where, changes)
      say('ok', t('saved'))
      location.hash = `#${where}`
    } catch (refused) {
      error = sentence(refused)
    }
    busy = false
    redraw()
  }

  function stages() {
    // stages come before the first start, or never
    if (!given.stages.length && given.started > 0) return null
    return card(t('task.stages'), stageFields(form, redraw, redraw,
      Math.max(0, given.total - given.canceled)))
  }

  function view() {
    if (!form) {
      const entry = api.get(where)
      if (!entry.data) return [heading(t('edit')), missing(entry)]
      given = entry.data
      form = formOf(given)
    }
    return [
      heading(t('task.edit', { task: given.name })),
      admin ? null : note('info', t('viewer.help')),
      h('form', { onSubmit: save },
        h('p', { class: 'quiet' }, t('task.editHelp')),
        card(t('task.what'), h('div', { class: 'fields' },
          textField(form, 'name', { label: t('name'), required: true }, redraw,
            { required: true, maxlength: 64 }),
          textField(form, 'description', { label: t('description') }, redraw,
            { maxlength: 200 }))),
        stages(),
        card(t('rule.stop'), stopFields(form, redraw)),
        card(t('task.fast'), paceFields(form, redraw)),
        moreFields(form, redraw),
        error ? note('error', error) : null,
        h('div', { class: 'actions end' }, h('a', { class: 'button', href: `#${where}` },
          t('cancel')), h('button', { type: 'submit', class: 'primary',
          disabled: busy || !admin }, t('save')))),
    ]
  }
  return { title: () => t('edit'), view }
}
