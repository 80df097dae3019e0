// The first screen: what needs attention, what is under way, which versions the devices run.
import * as api from './api.js'
import { h } from './dom.js'
import { number, t, written } from './i18n.js'
import { bytes, percent } from './format.js'
import { card, heading, icon, link, missing, taskAddress } from './parts.js'
import { partsBar } from './charts.js'
import { isWithdrawn } from './firmware.js'
import { isOpen, taskCard } from './task_card.js'

const LOW_DISK = 1 << 30
const LARGE_LOG = 256 << 20
const PRODUCTS_SHOWN = 12

function problems(details, paused, firmware, stuck) {
  const out = []
  for (const task of paused.filter(isOpen)) {
    out.push([task.pausedReason ? t('wrong.paused', { task: task.name,
      reason: written(task.pausedReason) }) : t('wrong.pausedByHand', { task: task.name }),
    taskAddress(task.taskId), t('wrong.pausedDo')])
  }
  for (const item of firmware.slice(0, 5)) {
    out.push([t('wrong.rejected', { name: item.name, version: item.version,
      reason: item.stateReason || '' }), `#/firmware/${encodeURIComponent(item.firmwareId)}/edit`,
    t('wrong.rejectedDo')])
  }
  if (stuck.length) {
    out.push([t('wrong.stuck', { n: stuck.length === 100 ? '100+' : stuck.length }),
      taskAddress(stuck[0].taskId, '?state=processing'), t('wrong.stuckDo')])
  }
  if (details.filesFreeBytes !== null && details.filesFreeBytes < LOW_DISK) {
    out.push([t('wrong.disk', { folder: details.filesDir, free: bytes(details.filesFreeBytes) }),
      null, t('wrong.diskDo')])
  }
  if (details.catalogLogBytes > LARGE_LOG) {
    out.push([t('wrong.wal', { size: bytes(details.catalogLogBytes) }), null, t('wrong.walDo')])
  }
  return out
}

function attention(list) {
  if (!list.length) {
    return h('p', { class: 'fine', role: 'status' }, icon('done'), ' ', t('overview.fine'))
  }
  return h('section', { class: 'card attention', 'aria-labelledby': 'attention' },
    h('h2', { id: 'attention' }, icon('warning'), ' ', t('overview.attention')),
    h('ul', null, list.map(([what, href, todo], i) => h('li', { key: i }, h('span', null, what),
      ' ', href ? link(href, todo) : h('span', { class: 'quiet' }, todo)))))
}

function productCard(product) {
  const entry = api.get(`${api.path('products', product.productId)}/versions`, 5000)
  const items = entry.data ? entry.data.items : []
  const devices = items.reduce((sum, i) => sum + i.devices, 0)
  const online = items.reduce((sum, i) => sum + i.online, 0)
  return h('section', { class: 'card product', key: product.productId },
    h('div', { class: 'task-head' },
      h('h3', null, link(`#/devices${api.query({ productId: product.productId })}`,
        product.name || product.productId)),
      h('span', { class: 'quiet id' }, product.name ? product.productId : null)),
    entry.data ? [
      h('p', null, h('b', null, number(online)), ` ${t('overview.onlineOf', { n: devices })}`,
        devices ? h('span', { class: 'quiet' }, ` (${percent(online, devices)})`) : null),
      devices ? partsBar(items.map((i) => ({ label: i.version ?? t('version.none'),
        count: i.devices }))) : h('p', { class: 'quiet' },
        t('overview.noDevices', { topic: `/${product.productId}/DEVICE/firmware/report` })),
    ] : missing(entry))
}

function step(done, text, href, label) {
  return h('li', { class: done ? 'done' : '' }, done ? icon('done') : null, h('span', null, text),
    ' ', done || !href ? null : link(href, label))
}

/** What is to be done before the first upgrade. */
function firstSteps(details, admin) {
  if (details.tasks > 0) return null
  const steps = [details.products > 0, details.firmware > 0, false]
  return card(t('first.title'), h('ol', { class: 'steps' },
    step(steps[0], t('first.product'), admin ? '#/products' : null, t('products.add')),
    step(steps[1], t('first.firmware'), admin ? '#/firmware/new' : null, t('firmware.add')),
    step(false, t('first.task'), admin ? '#/tasks/new' : null, t('task.new'))))
}

export function overview({ admin }) {
  function view() {
    const details = api.get('/details', 5000)
    const running = api.get('/tasks?state=running&count=50')
    const paused = api.get('/tasks?state=paused&count=50')
    const rejected = api.get('/firmware?state=rejected&count=20', 5000)
    const stuck = api.get('/stuck?count=100', 10000)
    const products = api.get('/products?count=50', 5000)
    const all = [details, running, paused, rejected, stuck, products]
    const absent = all.find((entry) => !entry.data)
    if (absent) return [heading(t('nav.overview')), missing(absent)]
    const open = [...paused.data.items.filter(isOpen), ...running.data.items.filter(isOpen)]
    const ended = running.data.items.filter((task) => !isOpen(task)).slice(0, 3)
    return [
      heading(t('nav.overview'), admin && details.data.firmware > 0
        ? h('a', { class: 'button primary', href: '#/tasks/new' }, t('task.new')) : null),
      attention(problems(details.data, paused.data.items,
        rejected.data.items.filter((i) => !isWithdrawn(i)), stuck.data.items)),
      firstSteps(details.data, admin),
      details.data.tasks ? h('h2', null, t('overview.open', { n: open.length })) : null,
      open.length ? h('div', { class: 'cards' }, open.map((task) => taskCard(task)))
        : details.data.tasks ? h('p', { class: 'quiet' }, t('overview.noOpen')) : null,
      ended.length ? [h('h2', null, t('overview.ended')),
        h('div', { class: 'cards' }, ended.map((task) => taskCard(task)))] : null,
      details.data.products ? h('h2', null, t('overview.fleet')) : null,
      h('div', { class: 'cards' },
        products.data.items.slice(0, PRODUCTS_SHOWN).map(productCard)),
      products.data.items.length > PRODUCTS_SHOWN
        ? h('p', null, link('#/products', t('overview.allProducts'))) : null,
    ]
  }
  return { title: () => t('nav.overview'), view }
}
