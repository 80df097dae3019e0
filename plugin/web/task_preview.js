// The preview of a new task: which devices it will touch.
import { h } from './dom.js'
import { number, t } from './i18n.js'
import { card, icon, note } from './parts.js'
import { stagesPictured, unchosen } from './task_body.js'

function row(count, text, kind) {
  return count ? h('li', { class: kind || '', key: text }, icon(kind === 'warn' ? 'warning'
    : 'done'),
    ' ', h('b', null, number(count)), ` ${text}`) : null
}

export function previewCard(form, { data, error }) {
  if (!form.firmwareId) return card(t('preview'), h('p', { class: 'quiet' }, t('preview.none')))
  const open = unchosen(form)
  if (open) return card(t('preview'), note('info', t(`preview.choose.${open}`)))
  if (error) return card(t('preview'), note('error', error))
  if (!data) return card(t('preview'), h('p', { class: 'loading' }, t('loading')))
  const left = data.devices - data.alreadyRunning - (form.allowDowngrade ? 0 : data.newer)
  const first = stagesPictured(form, Math.max(0, left))[0]
  return h('section', { class: 'card preview', 'aria-live': 'polite' }, h('h2', null, t('preview')),
    h('p', { class: 'preview-count' }, h('b', null, number(data.devices)),
      ` ${t('preview.devices', { n: data.devices, product: data.productId })} `,
      h('b', { class: 'id' }, data.version)),
    h('ul', { class: 'plain-list' },
      row(Math.max(0, left), t('preview.upgrade'), 'ok'),
      row(data.alreadyRunning, t('preview.already')),
      row(data.newer, t(form.allowDowngrade ? 'preview.downgrade' : 'preview.newer'),
        form.allowDowngrade ? 'warn' : ''),
      row(data.offline, t(form.mode === 'push' ? 'preview.offline' : 'preview.offlinePull'), ''),
      row(data.notSeen, t('preview.notSeen'), 'warn'),
      row(data.unknown, t('preview.unknown'), 'warn')),
    first && first.count ? h('p', null, t('preview.first', { n: first.count })) : null,
    data.state !== 'ready' ? note('warn', t('preview.notReady')) : null)
}
