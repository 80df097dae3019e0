// The rules in the form of a task that most people leave as they are.
import { h } from './dom.js'
import { t, word } from './i18n.js'
import { checkField, fold, selectField, textField } from './parts.js'
import { NUMBER, placeholder } from './task_rules.js'

function group(title, ...fields) {
  return h('fieldset', { class: 'group' }, h('legend', null, title),
    h('div', { class: 'fields' }, ...fields))
}

/** Times are given in minutes or hours, to the second. */
function timeField(form, changed, name, props) {
  return textField(form, name, { label: t(`time.${name}`), help: t(`time.${name}Help`) }, changed,
    { ...NUMBER, min: 0, step: 'any', placeholder: placeholder(form, name), ...props })
}

function attempts(form, changed, required) {
  return group(t('more.attempts'),
    timeField(form, changed, 'responseMinutes', { required }),
    timeField(form, changed, 'timeoutMinutes', { required }),
    timeField(form, changed, 'attemptLimit', { min: 1, max: 100, step: 1, required }),
    form.mode === 'push' ? timeField(form, changed, 'minOnline', { step: 1, required }) : null)
}

function retries(form, changed, required) {
  const some = form.retryLimit > 0
  return group(t('more.retries'),
    timeField(form, changed, 'retryLimit', { max: 10, step: 1, required }),
    some ? timeField(form, changed, 'retryMinutes', { required }) : null,
    some ? selectField(form, 'retryOn', { label: t('time.retryOn') },
      ['transient', 'any'].map((on) => [on, word('retryOn', on)]), changed) : null,
    timeField(form, changed, 'deferHours', { max: 8760 }))
}

function proof(form, changed, required) {
  return group(t('more.proof'),
    selectField(form, 'gate', { label: t('time.gate'), help: t('time.gateHelp') },
      ['version', 'complete'].map((gate) => [gate, word('gate', gate)]), changed),
    timeField(form, changed, 'trialMinutes', { required }),
    timeField(form, changed, 'lostMinutes', { min: 1 }))
}

function others(form, changed) {
  const check = (name) => checkField(form, name, { label: t(`task.${name}`),
    help: t(`task.${name}Help`) }, changed)
  return group(t('more.others'), check('allowDowngrade'), check('supersede'),
    form.whom === 'all' ? check('continuous') : null)
}

/** Unfolded for a task that exists, so that its values are seen. */
export function moreFields(form, changed) {
  // a task that exists has a value for each rule that cannot be null
  const required = Boolean(form.editing)
  return fold(t('task.more'), { class: 'card', open: required }, attempts(form, changed, required),
    retries(form, changed, required), proof(form, changed, required), others(form, changed))
}
