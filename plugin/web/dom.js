// Draws: a screen says what should be there, as a tree of h(...), and draw() changes the document
// into that. What is there already stays, with its focus and what was typed. Text becomes text
// nodes and nothing else: whatever a device says, it is never read as markup.

const SVG = 'http://www.w3.org/2000/svg'

/** A node: h('a', {href: '#/'}, 'text', h('b', null, 1)). In props: `key` names a node among its
 * siblings, `style` is an object, on... are listeners, `made` is called with a new element. */
export function h(tag, props, ...children) {
  return { tag, props: props || {}, children: children.flat(Infinity).filter(isSomething) }
}

function isSomething(child) {
  return child !== null && child !== undefined && child !== false && child !== true && child !== ''
}

/** Makes the element's content what the nodes say. */
export function draw(element, ...nodes) {
  reconcile(element, nodes.flat(Infinity).filter(isSomething), element.namespaceURI)
}

function reconcile(parent, children, space) {
  const old = [...parent.childNodes]
  const keyed = new Map()
  for (const node of old) if (node.fwKey !== undefined) keyed.set(node.fwKey, node)
  const used = new Set()
  let from = 0
  let place = parent.firstChild
  for (const child of children) {
    let node = null
    const key = typeof child === 'object' ? child.props.key : undefined
    if (key !== undefined) {
      const found = keyed.get(key)
      if (found && !used.has(found) && fits(found, child)) node = found
    } else {
      while (from < old.length && !node) {
        const candidate = old[from]
        if (candidate.fwKey !== undefined || used.has(candidate)) { from++; continue }
        if (!fits(candidate, child)) break
        node = candidate
        from++
      }
    }
    node = node ? change(node, child, space) : make(child, space)
    used.add(node)
    if (node === place) place = place.nextSibling
    else parent.insertBefore(node, place)
  }
  for (const node of old) if (!used.has(node)) node.remove()
}

/** True if the node can become the child. An input keeps its type: one for files takes no text. */
function fits(node, child) {
  if (typeof child !== 'object') return node.nodeType === 3
  return node.nodeType === 1 && node.localName === child.tag && node.fwKey === child.props.key &&
    (child.tag !== 'input' || node.type === (child.props.type || 'text'))
}

function make(child, space) {
  if (typeof child !== 'object') return document.createTextNode(String(child))
  const own = child.tag === 'svg' ? SVG : space
  const node = document.createElementNS(own, child.tag)
  if (child.props.key !== undefined) node.fwKey = child.props.key
  change(node, child, own)
  if (child.props.made) child.props.made(node)
  return node
}

function change(node, child, space) {
  if (typeof child !== 'object') {
    const text = String(child)
    if (node.data !== text) node.data = text
    return node
  }
  const own = child.tag === 'svg' ? SVG : space
  const props = child.props
  const before = node.fwProps || {}
  for (const name in before) if (!(name in props)) setProp(node, name, null, before[name])
  // the content first: a select takes a value only when it has the option
  reconcile(node, child.children, own)
  for (const name in props) setProp(node, name, props[name], before[name])
  node.fwProps = props
  return node
}

const LIVE = new Set(['value', 'checked', 'selected', 'indeterminate', 'disabled', 'open'])

function setProp(node, name, value, before) {
  if (name === 'key' || name === 'made') return
  if (name.startsWith('on')) { node[name.toLowerCase()] = value || null; return }
  if (name === 'style') { setStyle(node, value || {}, before || {}); return }
  if (LIVE.has(name) && name in node && node.namespaceURI !== SVG) {
    const wanted = value === null || value === undefined ? (name === 'value' ? '' : false) : value
    if (node[name] !== wanted) node[name] = wanted
    return
  }
  if (value === before) return
  if (value === null || value === undefined || value === false) node.removeAttribute(name)
  else node.setAttribute(name, value === true ? '' : String(value))
}

function setStyle(node, value, before) {
  for (const name in before) if (!(name in value)) node.style.removeProperty(name)
  for (const name in value) {
    if (value[name] !== before[name]) node.style.setProperty(name, String(value[name]))
  }
}
