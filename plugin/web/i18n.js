// The page's words. Each language is a file of keys and sentences that a translator edits; {name}
// is put in by the page. A key with .one beside it has a form for one. A sentence that is missing
// is taken from English.

export const languages = { en: 'English', zh: '中文' }

let words = {}
let english = {}
export let language = 'en'

async function file(name) {
  const response = await fetch(`/${name}.json`)
  return response.json()
}

function preferred() {
  const stored = localStorage.getItem('language')
  if (stored in languages) return stored
  const asked = (navigator.languages || [navigator.language]).map((l) => l.slice(0, 2))
  return asked.find((l) => l in languages) || 'en'
}

export async function start() {
  english = await file('en')
  await choose(preferred())
}

export async function choose(name) {
  words = name === 'en' ? english : await file(name)
  language = name
  localStorage.setItem('language', name)
  document.documentElement.lang = name === 'zh' ? 'zh-CN' : name
}

export function has(key) {
  return key in words || key in english
}

/** The sentence of a key. values: what stands for {name}; values.n chooses the form for one. */
export function t(key, values = {}) {
  const one = values.n === 1 ? `${key}.one` : key
  const text = words[one] ?? words[key] ?? english[one] ?? english[key] ?? key
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name]
    if (value === undefined) return whole
    return typeof value === 'number' ? number(value) : value
  })
}

/** A word of the API in the reader's language, or as it is when it has no translation. */
export function word(kind, said) {
  return has(`${kind}.${said}`) ? t(`${kind}.${said}`) : said
}

export function number(value) {
  return new Intl.NumberFormat(language).format(value)
}

// the reasons that the plugin writes into the catalog, in English: upgrade/rollout.c
const WRITTEN = {
  stage: /^stage (?<stage>\d+)$/,
  stageDone: /^stage (?<stage>\d+) is done: (?<proved>\d+) of (?<all>\d+) proved$/,
  unreachable:
    /^stage (?<stage>\d+): (?<bad>\d+) of (?<all>\d+) failed, (?<need>\d+) % cannot be reached$/,
  limit: /^(?<bad>\d+) failed: the limit is (?<limit>\d+)$/,
  limitPercent: /^(?<bad>\d+) of (?<all>\d+) failed: the limit is (?<limit>\d+) %$/,
  end: /^end_at is reached$/,
}

/** A text of task_log, or why a task is paused: the plugin's words in the page's language, people's
 * own as they are. */
export function written(text) {
  for (const [name, pattern] of Object.entries(WRITTEN)) {
    const found = pattern.exec(text || '')
    if (found) return t(`written.${name}`, { ...found.groups })
  }
  return text || ''
}
