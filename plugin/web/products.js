// The screen of the products: add, edit and delete them.
import * as api from './api.js'
import { ask } from './dialog.js'
import { h } from './dom.js'
import { number, t, word } from './i18n.js'
import { button, checkField, heading, link, missing, empty, selectField, state, table,
  textField } from './parts.js'

const POLICIES = ['latest', 'stepwise', 'task']

function form(product, fresh) {
  const f = product ? { ...product, publicKey: product.publicKey || '' }
    : { productId: '', name: '', firmwareEnabled: true, pullPolicy: 'latest', publicKey: '' }
  const body = (redraw) => h('div', { class: 'fields' },
    fresh ? textField(f, 'productId', { label: t('product.id'), help: t('product.idHelp'),
      required: true }, redraw, { required: true, maxlength: 64 }) : null,
    textField(f, 'name', { label: t('name') }, redraw, { maxlength: 64 }),
    selectField(f, 'pullPolicy', { label: t('product.policy'),
      help: t(`policy.${f.pullPolicy}.help`) }, POLICIES.map((p) => [p, word('policy', p)]),
        redraw),
    checkField(f, 'firmwareEnabled', { label: t('product.enabled'),
      help: t('product.enabledHelp') }, redraw),
    textField(f, 'publicKey', { label: t('product.key'), help: t('product.keyHelp') }, redraw,
      { rows: 3, spellcheck: 'false', class: 'code' }))
  const run = () => {
    const members = { name: f.name, firmwareEnabled: f.firmwareEnabled, pullPolicy: f.pullPolicy,
      publicKey: f.publicKey.trim() ? f.publicKey : null }
    return fresh ? api.send('POST', '/products', { productId: f.productId, ...members })
      : api.send('PATCH', api.path('products', f.productId), members)
  }
  ask({ title: fresh ? t('products.add') : t('product.edit', { id: f.productId }), body, run,
    label: fresh ? t('products.add') : t('save'),
    done: () => t(fresh ? 'product.added' : 'saved', { id: f.productId }) })
}

function devicesCell(product) {
  const entry = api.get(`${api.path('products', product.productId)}/versions`, 5000)
  if (!entry.data) return '…'
  const devices = entry.data.items.reduce((sum, i) => sum + i.devices, 0)
  const online = entry.data.items.reduce((sum, i) => sum + i.online, 0)
  return devices ? [link(`#/devices${api.query({ productId: product.productId })}`,
    number(devices)), h('span', { class: 'quiet' }, ` ${t('ofOnline', { n: online })}`)] : '0'
}

export function products({ admin }) {
  function actions(product) {
    return h('div', { class: 'row-actions' }, button(t('edit'), () => form(product, false)),
      button(t('delete'), () => ask({ title: t('product.delete', { id: product.productId }),
        text: t('product.deleteText'), label: t('delete'), danger: true,
        run: () => api.send('DELETE', api.path('products', product.productId)),
        done: t('deleted', { id: product.productId }) })))
  }
  function view() {
    const entry = api.get('/products?count=200', 5000)
    const columns = [
      { title: t('product.id'), class: 'id', cell: (p) => p.productId },
      { title: t('name'), cell: (p) => p.name || '–' },
      { title: t('devices.title'), cell: devicesCell },
      { title: t('nav.firmware'), cell: (p) => link(`#/firmware${api.query({
        productId: p.productId })}`, t('show')) },
      { title: t('product.policy'), cell: (p) => word('policy', p.pullPolicy) },
      { title: t('state'), cell: (p) => p.firmwareEnabled ? state('enabled', 'ready')
        : state('enabled', 'stopped') },
      admin ? { title: t('actions'), cell: actions } : null,
    ].filter(Boolean)
    return [
      heading(t('nav.products'), admin ? button(t('products.add'), () => form(null, true),
        { class: 'primary' }) : null),
      !entry.data ? missing(entry) : entry.data.items.length
        ? table(t('nav.products'), columns, entry.data.items, (p) => p.productId)
        : empty(t('products.none')),
    ]
  }
  return { title: () => t('nav.products'), view }
}
