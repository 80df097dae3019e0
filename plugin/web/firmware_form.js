// The form that adds firmware, or edits it.
import * as api from './api.js'
import { say, sentence } from './dialog.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { bytes } from './format.js'
import { button, card, checkField, choiceField, facts, field, fold, heading, link, missing,
  note, select, selectField, state, textField } from './parts.js'
import { productOptions, products } from './filters.js'
import { emptyFirmware, firmwareBody, firmwareChanges, formOf } from './firmware_body.js'
import { newUpload, plainName, uploadView } from './upload.js'

const METHODS = ['sha256', 'sha512', 'md5', 'ed25519', 'ecdsa-sha256', 'rsa-sha256']

const enabled = (product) => product.firmwareEnabled

export function firmwareForm({ parts, query, redraw, admin }) {
  const id = parts[0]
  let form = id ? null : emptyFirmware(query)
  let given = null
  let error = null
  let busy = false
  const uploading = newUpload(redraw, (answer) => { form.file = answer.file })

  /** Proposes the product, if there is only one, and the next order, while nobody has typed
   * another. */
  function propose() {
    if (id) return
    const all = products(enabled)
    if (!form.productId && all?.length === 1) form.productId = all[0].productId
    if (!form.productId) return
    const entry = api.get(`/firmware${api.query({ productId: form.productId, count: 500 })}`, 10000)
    if (!entry.data) return
    const next = 1 + Math.max(0, ...entry.data.items.map((f) => f.versionOrder))
    if (form.versionOrder === '' || form.proposed === form.versionOrder) {
      form.versionOrder = form.proposed = String(next)
    }
  }

  function chose(event) {
    const file = event.target.files[0]
    if (!file) return
    if (!form.name) form.name = file.name.replace(/\.[^.]*$/, '').slice(0, 64)
    uploading.start(file, plainName(file.name))
  }

  /** The options of the product; the chosen one is there before the others have come. */
  function productChoice() {
    const chosen = form.productId
    const all = productOptions([], (p) => enabled(p) || p.productId === chosen)
    return all.some(([value]) => value === chosen) ? all
      : [[chosen, chosen || t('choose')], ...all]
  }

  /** Warns who uploads for a rollout: devices that ask need not wait for its task. */
  function productHelp() {
    const product = products(enabled)?.find((p) => p.productId === form.productId)
    return product && product.pullPolicy !== 'task' && !form.byTaskOnly
      ? t('firmware.askHelp') : null
  }

  async function save(event) {
    event.preventDefault()
    if (form.source === 'file' && !form.file) {
      error = t('firmware.fileFirst')
      return redraw()
    }
    busy = true
    error = null
    redraw()
    try {
      if (id) await api.send('PATCH', api.path('firmware', id), firmwareChanges(form, given))
      else await api.send('POST', '/firmware', firmwareBody(form))
      say('ok', id ? t('saved') : t('firmware.added', { version: form.version }))
      location.hash = `#/firmware${api.query({ productId: form.productId })}`
    } catch (refused) {
      error = sentence(refused)
    }
    busy = false
    redraw()
  }

  function fileFields() {
    const there = api.get('/files?count=500', 10000)
    const names = there.data ? there.data.items.filter((f) => !f.firmware.length ||
      f.file === form.file) : []
    const uploaded = uploading.state.answer
    return [
      field({ id: 'field-upload', label: t('firmware.upload'), help: t('firmware.uploadHelp') },
        (tie) => h('input', { ...tie, type: 'file', onChange: chose })),
      uploadView(uploading, redraw),
      names.length && !uploaded ? field({ id: 'field-file', label: t('firmware.there') }, (tie) =>
        select(form.file, [['', '–'], ...names.map((f) => [f.file,
          `${f.file} (${bytes(f.size)})`])],
          (v) => { form.file = v; redraw() }, tie)) : null,
    ]
  }

  function urlFields() {
    return [
      textField(form, 'url', { label: t('firmware.url'), required: true, wide: true }, redraw,
        { type: 'url', required: true }),
      textField(form, 'size', { label: t('firmware.size'), required: true }, redraw,
        { type: 'number', min: 1, required: true }),
    ]
  }

  function signFields() {
    const needed = form.source === 'url'
    return [
      selectField(form, 'signMethod', { label: t('firmware.method'), help: needed ? null
        : t('firmware.methodHelp') }, [['', needed ? '–' : t('firmware.methodServer')],
        ...METHODS.map((m) => [m, m])], redraw),
      form.signMethod ? textField(form, 'sign', { label: t('firmware.sign'), wide: true,
        help: METHODS.indexOf(form.signMethod) < 3 ? t('firmware.signHex')
          : t('firmware.signBase64'),
        required: true }, redraw, { class: 'code', spellcheck: 'false', required: true }) : null,
    ]
  }

  function parameterRows() {
    return h('fieldset', { class: 'parameters' }, h('legend', null, t('firmware.parameters')),
      h('p', { class: 'help' }, t('firmware.parametersHelp')),
      form.parameters.map((p, i) => h('div', { class: 'pair', key: i },
        h('input', { value: p.key, placeholder: t('key'), 'aria-label': `${t('key')} ${i + 1}`,
          onInput: (e) => { p.key = e.target.value } }),
        h('input', { value: p.value, placeholder: t('value'), 'aria-label':
          `${t('value')} ${i + 1}`,
          onInput: (e) => { p.value = e.target.value } }),
        button('×', () => { form.parameters.splice(i, 1); redraw() },
          { 'aria-label': t('remove'), class: 'plain' }))),
      button(t('firmware.parameterAdd'), () => {
        form.parameters.push({ key: '', value: '' })
        redraw()
      }))
  }

  function view() {
    if (id && !form) {
      const entry = api.get(api.path('firmware', id), 5000)
      if (!entry.data) return missing(entry)
      given = entry.data
      form = formOf(given)
    }
    propose()
    const title = id ? t('firmware.edit', { version: given.version }) : t('firmware.add')
    return [
      heading(title),
      admin ? null : note('info', t('viewer.help')),
      products(enabled)?.length === 0 ? note('info', t('firmware.noProduct'), ' ',
        link('#/products', t('nav.products'))) : null,
      given ? facts([[t('state'), state('image', given.state), ' ', given.stateReason],
        [t('firmware.sha'), h('span', { class: 'id' }, given.sign || '–')]]) : null,
      h('form', { onSubmit: save },
        card(t('firmware.image'), choiceField(form, 'source', t('firmware.where'), [
          ['file', t('firmware.here'), t('firmware.hereHelp')],
          ['url', t('firmware.elsewhere'), t('firmware.elsewhereHelp')]], redraw),
        h('div', { class: 'fields' }, form.source === 'file' ? fileFields() : urlFields())),
        card(t('firmware.about'), h('div', { class: 'fields' },
          selectField(form, 'productId', { label: t('product'), required: true,
            help: productHelp() },
            productChoice(), redraw),
          textField(form, 'name', { label: t('name'), required: true }, redraw,
            { required: true, maxlength: 64 }),
          textField(form, 'version', { label: t('version'), required: true,
            help: t('firmware.versionHelp') }, redraw, { required: true, maxlength: 64 }),
          textField(form, 'versionOrder', { label: t('order'), required: true,
            help: t('firmware.orderHelp') }, redraw, { type: 'number', min: 1, required: true }),
          textField(form, 'description', { label: t('description'), wide: true }, redraw,
            { rows: 2, maxlength: 200 }))),
        fold(t('firmware.more'), { class: 'card' },
          h('div', { class: 'fields' }, signFields(),
            textField(form, 'minVersionOrder', { label: t('firmware.minOrder'),
              help: t('firmware.minOrderHelp') }, redraw, { type: 'number', min: 1 }),
            checkField(form, 'byTaskOnly', { label: t('firmware.byTask'),
              help: t('firmware.byTaskHelp') }, redraw)),
          parameterRows()),
        error ? note('error', error) : null,
        h('div', { class: 'actions end' }, h('a', { class: 'button', href: '#/firmware' },
          t('cancel')), h('button', { type: 'submit', class: 'primary',
          disabled: busy || !admin || Boolean(uploading.state.abort) },
        id ? t('save') : t('firmware.add')))),
    ]
  }
  return { title: () => id ? t('edit') : t('firmware.add'), view,
    stop: () => uploading.state.abort?.() }
}
