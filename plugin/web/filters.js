// What lists have in common: choosing a product, a text, the next page.
import * as api from './api.js'
import { h } from './dom.js'
import { t } from './i18n.js'
import { button, select } from './parts.js'

/** The products that fit; null: they have not come yet. */
export function products(fits = () => true) {
  const entry = api.get('/products?count=500', 10000)
  return entry.data ? entry.data.items.filter(fits) : null
}

/** The products that fit as options, behind those of `first`. */
export function productOptions(first, fits) {
  return [...first, ...(products(fits) || []).map((p) => [p.productId,
    p.name && p.name !== p.productId ? `${p.name} (${p.productId})` : p.productId])]
}

export function productSelect(value, onChange) {
  return h('label', null, t('product'), select(value, productOptions([['', t('all')],
    ...(value ? [[value, value]] : [])]).filter(([v], i, all) =>
    all.findLastIndex(([w]) => w === v) === i), onChange, { name: 'productId' }))
}

/** The filters of a list, by `names`, from its address: {filter, set}. set(members) changes them
 * there, and goes back to the first page. */
export function addressFilter(names, query, setQuery) {
  const filter = Object.fromEntries(names.map((name) => [name, query[name] || '']))
  return { filter, set: (members) => setQuery(Object.assign(filter, { after: '' }, members)) }
}

let typing = 0

/** A text to filter by, taken when the typing pauses. */
export function textSelect(label, value, onChange, name = 'text') {
  return h('label', null, label, h('input', { type: 'search', name, value, autocomplete: 'off',
    spellcheck: 'false', onInput: (event) => {
      const text = event.target.value
      clearTimeout(typing)
      typing = setTimeout(() => onChange(text), 300)
    } }))
}

const behind = new Map() // the `after` that led to a page -> that of the page before

/** The buttons of a list's pages. Pages go by key: each costs the same, and has no number. */
export function pager(data, filter, set) {
  if (!data.next && !filter.after) return null
  return h('div', { class: 'pager' },
    filter.after ? [button(t('page.first'), () => set({ after: '' })),
      behind.has(filter.after) ? button(t('page.back'), () =>
        set({ after: behind.get(filter.after) })) : null] : null,
    data.next ? button(t('page.next'), () => {
      behind.set(data.next, filter.after)
      set({ after: data.next })
    }) : h('span', { class: 'quiet' }, t('page.last')))
}
