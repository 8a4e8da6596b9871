// The pages work without this script. It sends a form once, copies, keeps what was typed, chooses all rows, shows times where the reader is,
// puts the focus on what went wrong, opens no mail that lacks what was typed, and fetches a page again that shows something under way.
'use strict'
const each = (selector, run, within = document) => within.querySelectorAll(selector).forEach(run)
const lang = document.documentElement.lang

const enhance = main => {
  each('time[datetime]', t => {
    const at = new Date(t.dateTime)
    if (!isNaN(at)) {
      t.title = t.textContent
      const hour = 'day' in t.dataset ? {} : {hour: '2-digit', minute: '2-digit', timeZoneName: 'short'}
      t.textContent = at.toLocaleString(lang, {day: 'numeric', month: 'short', year: 'numeric', ...hour})
    }
  }, main)
  each('[data-copy]', b => {
    b.hidden = false
    b.onclick = async () => {
      const from = document.getElementById(b.dataset.copy)
      try { await navigator.clipboard.writeText(from.value) } catch { from.select(); document.execCommand('copy') }
      const label = b.textContent
      b.textContent = b.dataset.copied
      setTimeout(() => { b.textContent = label }, 2000)
    }
  }, main)
  each('table.list thead .pick', cell => {
    const boxes = cell.closest('table').querySelectorAll('tbody .pick input')
    const all = document.createElement('input')
    all.type = 'checkbox'
    all.ariaLabel = cell.closest('table').caption.textContent
    all.onchange = () => boxes.forEach(b => { b.checked = all.checked })
    const label = document.createElement('label')
    label.append(all)
    cell.append(label)
  }, main)
  each('form[data-once]', form => form.addEventListener('submit', e => {
    if (form.sent) return e.preventDefault()
    form.sent = true
    setTimeout(() => each('button', b => { b.disabled = true }, form))
  }), main)
  each('form[data-keep]', form => {
    const key = 'unsent ' + location.pathname
    const typed = () => [...form.elements].filter(f => f.matches('input:not([type=hidden],[type=checkbox],[type=radio]), textarea'))
    const kept = JSON.parse(sessionStorage.getItem(key) || '{}')
    if (!document.querySelector('.faults, .hurdle')) typed().forEach(f => { if (f.name in kept && !f.value) f.value = kept[f.name] })
    form.addEventListener('input', () => sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(typed().map(f => [f.name, f.value])))))
  }, main)
  each('[data-unsaved]', note => {
    const form = note.closest('form'), open = form.querySelector('[href^=mailto]'), href = open.href
    const look = () => {
      note.hidden = ![...form.querySelectorAll('#f-subject, #f-body')].some(f => f.value !== f.defaultValue)
      note.hidden ? open.href = href : open.removeAttribute('href')
    }
    form.addEventListener('input', look)
    look()
  }, main)
  main.querySelector('[data-focus]')?.focus()
  if (main.dataset.live) setTimeout(refresh, main.dataset.live * 1000)
}

// A page that says what was done forgets what was typed on the way to it.
if (document.querySelector('main > [role=status]')) each('a', () => sessionStorage.clear())
if (document.querySelector('main[data-page=sign-in], main[data-page=signed-out]')) sessionStorage.clear()

const refresh = async () => {
  const main = document.querySelector('main')
  try {
    const answer = await fetch(location.href, {headers: {Accept: 'text/html'}, redirect: 'error'})
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main')
    if (answer.ok && next) { main.replaceWith(next); return enhance(next) }
  } catch { /* the next one may do */ }
  setTimeout(refresh, 10000)
}

enhance(document.querySelector('main'))
onpageshow = e => { if (e.persisted) each('form[data-once]', f => { f.sent = false; each('button', b => { b.disabled = false }, f) }) }
