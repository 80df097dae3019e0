// The form of a new task: which firmware, which devices, stages, stop, pace, and a preview of it.
import * as api from './api.js'
import { say, sentence } from './dialog.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { button, card, choiceField, heading, link, missing, note, selectField,
  textField } from './parts.js'
import { emptyTask, taskBody, chosen, unchosen } from './task_body.js'
import { moreFields } from './task_more.js'
import { paceFields, stageFields, stopFields } from './task_rules.js'
import { whomFields } from './task_whom.js'
import { previewCard } from './task_preview.js'

export function taskForm({ query, redraw, admin }) {
  const form = emptyTask(query)
  const preview = { data: null, error: null, asked: '' }
  let error = null
  let busy = false
  let typing = 0

  /** Reads the preview when the typing pauses. */
  function look() {
    const question = form.firmwareId && !unchosen(form)
      ? JSON.stringify({ firmwareId: form.firmwareId, ...chosen(form) }) : ''
    if (question === preview.asked) return
    preview.asked = question
    if (!question) preview.data = null
    clearTimeout(typing)
    typing = setTimeout(async () => {
      if (!question) return
      try {
        const data = await api.send('POST', api.PREVIEW, JSON.parse(question))
        if (preview.asked === question) Object.assign(preview, { data, error: null })
      } catch (refused) {
        if (preview.asked === question) {
          Object.assign(preview, { data: null, error: sentence(refused) })
        }
      }
      redraw()
    }, 300)
  }

  async function create(draft) {
    busy = true
    error = null
    redraw()
    try {
      const body = taskBody(form)
      if (draft) body.state = 'paused'
      // an id of its own, so that a second try makes no second task
      await api.send('PUT', api.path('tasks', form.taskId), body)
      say('ok', t(draft ? 'task.drafted' : 'task.created', { name: form.name }))
      location.hash = `#${api.path('tasks', form.taskId)}`
    } catch (refused) {
      error = sentence(refused)
    }
    busy = false
    redraw()
  }

  function firmwareOptions(items) {
    return [['', t('choose')], ...items.map((f) => [f.firmwareId,
      `${f.productId} · ${f.version} · ${f.name}`])]
  }

  function changed(name) {
    if (name === 'firmwareId') {
      const all = api.get('/firmware?state=ready&count=500', 5000).data.items
      const found = all.find((f) => f.firmwareId === form.firmwareId)
      if (form.productId !== found?.productId) form.devices.clear()
      form.productId = found ? found.productId : ''
      if (found && (!form.name || form.name === form.proposed)) {
        form.name = form.proposed = `${found.name} ${found.version}`.slice(0, 64)
      }
    }
    redraw()
  }

  function view() {
    const ready = api.get('/firmware?state=ready&count=500', 5000)
    if (!ready.data) return [heading(t('task.new')), missing(ready)]
    if (form.firmwareId && !form.productId) changed('firmwareId')
    look()
    const none = form.whom !== 'all' && preview.data?.devices === 0
    const off = busy || !admin || !form.firmwareId || Boolean(unchosen(form)) || none
    return [
      heading(t('task.new')),
      admin ? null : note('info', t('viewer.help')),
      ready.data.items.length ? null : note('info', t('task.noFirmware'), ' ',
        link('#/firmware/new', t('firmware.add'))),
      h('form', { onSubmit: (event) => { event.preventDefault(); create(false) } },
        card(`1 · ${t('task.what')}`, h('div', { class: 'fields' },
          selectField(form, 'firmwareId', { label: t('task.firmware'), required: true, wide: true },
            firmwareOptions(ready.data.items), changed),
          textField(form, 'name', { label: t('name'), required: true }, changed,
            { required: true, maxlength: 64 }),
          textField(form, 'description', { label: t('description') }, changed,
            { maxlength: 200 })),
        choiceField(form, 'mode', t('task.mode'), [
          ['push', t('mode.push'), t('mode.push.help')],
          ['pull', t('mode.pull'), t('mode.pull.help')]], changed)),
        card(`2 · ${t('task.whom')}`, whomFields(form, changed, redraw)),
        card(`3 · ${t('task.stages')}`, stageFields(form, changed, redraw,
          preview.data ? Math.max(0, preview.data.devices - preview.data.alreadyRunning) : 0)),
        card(`4 · ${t('rule.stop')}`, stopFields(form, changed)),
        card(`5 · ${t('task.fast')}`, paceFields(form, changed)),
        moreFields(form, changed),
        previewCard(form, preview),
        error ? note('error', error) : null,
        h('div', { class: 'actions end' }, h('a', { class: 'button', href: '#/tasks' },
          t('cancel')),
          button(t('task.draftButton'), () => create(true), { disabled: off || !form.name }),
          h('button', { type: 'submit', class: 'primary', disabled: off }, preview.data
            ? t('task.createFor', { n: preview.data.devices })
            : t('task.create')))),
    ]
  }
  return { title: () => t('task.new'), view, stop: () => clearTimeout(typing) }
}
