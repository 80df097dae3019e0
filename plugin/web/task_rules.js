// Rules in the forms of tasks: stages, the stop, pace, the window.
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { button, checkField, choiceField, select, selectField, textField } from './parts.js'
import { stagesPicture } from './charts.js'
import { PLANS, stagesPictured } from './task_body.js'

export const NUMBER = { type: 'number', min: 1, inputmode: 'numeric' }

// the catalog's defaults, for fields that are empty
const DEFAULTS = { responseMinutes: 1, timeoutMinutes: 60, attemptLimit: 5, minOnline: 0,
  retryLimit: 0, retryMinutes: 10, trialMinutes: 0, stopWindow: 1000 }

/** The default that an empty field of a new task stands for. */
export function placeholder(form, name) {
  return form.editing || !(name in DEFAULTS) ? null : t('byDefault', { n: DEFAULTS[name] })
}

function takePlan(form) {
  if (form.plan in PLANS) form.stages = PLANS[form.plan].map((s) => ({ ...s }))
  else if (!form.stages.length) form.stages = PLANS.careful.map((s) => ({ ...s }))
}

/** A stage that has begun cannot be changed, and the last one of a task that exists not removed. */
function stageRow(form, s, i, redraw) {
  const disabled = Boolean(s.begun)
  const stays = disabled || (form.editing && form.stages.length === 1)
  const input = (name, props) => h('input', { type: 'number', value: s[name], step: 'any', disabled,
    onInput: (e) => { s[name] = e.target.value; form.plan = 'own'; redraw() }, ...props })
  return h('tr', { key: i }, h('th', { scope: 'row' }, t('task.stageN', { stage: i + 1 })),
    h('td', null, input('until', { min: 0, 'aria-label': t('stage.until') }),
      select(s.unit, [['percent', '%'], ['count', t('stage.devices')]], (v) => {
        s.unit = v
        form.plan = 'own'
        redraw()
      }, { 'aria-label': t('stage.unit'), disabled })),
    h('td', null, input('success', { min: 0, max: 100, 'aria-label': t('stage.success') }), ' %'),
    h('td', null, input('hold', { min: 0, 'aria-label': t('stage.hold') }), ` ${t('minutes')}`),
    h('td', null, h('input', { type: 'checkbox', checked: s.pause, disabled,
      'aria-label': t('stage.pause'),
      onChange: (e) => { s.pause = e.target.checked; form.plan = 'own'; redraw() } })),
    h('td', null, stays ? null : button('×', () => {
      form.stages.splice(i, 1)
      form.plan = 'own'
      redraw()
    }, { class: 'plain', 'aria-label': t('stage.remove', { stage: i + 1 }) })))
}

function stageTable(form, redraw) {
  return [h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': t('task.stages') },
    h('table', { class: 'stage-table' },
    h('thead', null, h('tr', null, [t('stage'), t('stage.until'), t('stage.success'),
      t('stage.hold'), t('stage.pause'), ''].map((c, i) => i < 5 ? h('th', { scope: 'col', key: i },
      c) : h('td', { key: i })))),
    h('tbody', null, form.stages.map((s, i) => stageRow(form, s, i, redraw))))),
  button(t('stage.add'), () => {
    form.stages.push({ unit: 'percent', until: '100', success: '90', hold: '60', pause: false })
    form.plan = 'own'
    redraw()
  })]
}

export function stageFields(form, changed, redraw, devices) {
  const chosen = form.editing && form.stages.length
  return [
    chosen ? null : choiceField(form, 'plan', t('stage.plan'),
      ['once', 'careful', 'quick', 'own'].map((plan) => [plan, t(`plan.${plan}`),
        t(`plan.${plan}.help`)]), () => { takePlan(form); redraw() }),
    form.stages.length ? [stagesPicture(stagesPictured(form, devices)), stageTable(form, redraw)]
      : null,
    form.stages.length ? h('p', { class: 'help' }, t('stage.help'),
      form.stages.some((s) => s.begun) ? ` ${t('stage.begun')}` : null) : null,
  ]
}

export function stopFields(form, changed) {
  return [h('p', { class: 'help' }, t('stop.help')), h('div', { class: 'fields' },
    textField(form, 'stopPercent', { label: t('stop.percent'), help: t('stop.percentHelp') },
      changed, { ...NUMBER, max: 100 }),
    textField(form, 'stopMin', { label: t('stop.min'), help: t('stop.minHelp') }, changed, NUMBER),
    textField(form, 'stopCount', { label: t('stop.count'), help: t('stop.countHelp') }, changed,
      NUMBER),
    form.stopPercent || form.stopCount ? textField(form, 'stopWindow', {
      label: t('stop.window'), help: t('stop.windowHelp') }, changed,
    { ...NUMBER, min: 10, placeholder: placeholder(form, 'stopWindow'),
      required: Boolean(form.editing) }) : null)]
}

function windowFields(form, changed) {
  if (!form.windowed) return null
  return h('div', { class: 'fields' },
    textField(form, 'windowFrom', { label: t('window.from') }, changed, { type: 'time' }),
    textField(form, 'windowTo', { label: t('window.to') }, changed, { type: 'time' }),
    selectField(form, 'windowClock', { label: t('window.clock'), help: t('window.clockHelp') },
      ['broker', 'device', 'utc'].map((c) => [c, word('clock', c)]), changed),
    h('fieldset', { class: 'days' }, h('legend', null, t('window.days')),
      form.windowDays.map((on, i) => h('label', { key: i }, h('input', { type: 'checkbox',
        checked: on, onChange: (e) => { form.windowDays[i] = e.target.checked; changed() } }),
      ` ${t(`day.${i}`)}`))))
}

export function paceFields(form, changed) {
  return [h('div', { class: 'fields' },
    textField(form, 'rate', { label: t('pace.rate'), help: t('pace.empty') }, changed, NUMBER),
    form.rate ? textField(form, 'rateDoubles', { label: t('pace.doubles'),
      help: t('pace.doublesHelp') }, changed, NUMBER) : null,
    textField(form, 'inFlight', { label: t('pace.inFlight'), help: t('pace.empty') }, changed,
      NUMBER),
    textField(form, 'startAt', { label: t('pace.startAt'), help: t('pace.startHelp') }, changed,
      { type: 'datetime-local' }),
    textField(form, 'endAt', { label: t('pace.endAt') }, changed, { type: 'datetime-local' }),
    form.endAt ? selectField(form, 'endAction', { label: t('pace.endAction') },
      ['pause', 'stop'].map((a) => [a, word('end', a)]), changed) : null,
    checkField(form, 'windowed', { label: t('window.on'), help: t('window.help') }, changed)),
  windowFields(form, changed)]
}
