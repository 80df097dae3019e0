// The form of firmware as an object, and the command that it becomes. Pure: no document.

export function emptyFirmware(query) {
  return { productId: query.productId || '', name: '', version: '', versionOrder: '',
    source: 'file', file: '', url: '', size: '', signMethod: '', sign: '', description: '',
    byTaskOnly: false, minVersionOrder: '', parameters: [] }
}

/** The form of firmware that exists. The url of a file is where the file is downloaded here: no
 * address of another server. */
export function formOf(firmware) {
  return { ...firmware, source: firmware.file ? 'file' : 'url', file: firmware.file || '',
    url: firmware.file ? '' : firmware.url || '', size: firmware.size ?? '',
    signMethod: firmware.signMethod || '', sign: firmware.sign || '',
    minVersionOrder: firmware.minVersionOrder ?? '',
    parameters: Object.entries(firmware.parameters || {}).map(([key, value]) => ({ key,
      value: isText(value) ? value : JSON.stringify(value) })) }
}

/** A value that reads as JSON is one, else a text: so is a number that JSON would write otherwise,
 * such as the version 1.10. */
function parameterValue(text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'number' && String(value) !== text ? text : value
  } catch {
    return text
  }
}

function isText(value) {
  return typeof value === 'string' && parameterValue(value) === value
}

function numberOf(text) {
  return text === '' || text === null ? null : Number(text)
}

/** The members that do not say where the image is. */
function about(form) {
  return { productId: form.productId, name: form.name, version: form.version,
    versionOrder: numberOf(form.versionOrder), description: form.description,
    byTaskOnly: form.byTaskOnly, minVersionOrder: numberOf(form.minVersionOrder),
    parameters: Object.fromEntries(form.parameters.filter((p) => p.key !== '')
      .map((p) => [p.key, parameterValue(p.value)])) }
}

function sign(form) {
  return { signMethod: form.signMethod || null, sign: form.sign || null }
}

/** The members of createFirmware. */
export function firmwareBody(form) {
  if (form.source === 'url') {
    return { ...about(form), url: form.url, size: numberOf(form.size), ...sign(form) }
  }
  return { ...about(form), file: form.file, ...form.signMethod ? sign(form) : {} }
}

/** Where the image is. The size and the SHA-256 that the plugin filled in are of the old file
 * alone: left out, they are filled in for another one. */
function place(form, firmware) {
  if (form.source === 'url') {
    return { file: null, url: form.url, size: numberOf(form.size), ...sign(form) }
  }
  if (form.file === firmware.file) return sign(form)
  const old = firmware.file && form.signMethod === 'sha256' && form.sign === firmware.sign
  return { file: form.file, size: null, ...firmware.file ? {} : { url: null },
    ...old ? { signMethod: null, sign: null } : sign(form) }
}

/** The members of modifyFirmware: those that differ from the firmware. */
export function firmwareChanges(form, firmware) {
  return Object.fromEntries(Object.entries({ ...about(form), ...place(form, firmware) })
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(firmware[name] ?? null)))
}
