// Begins the page. When one of its files does not come (a bad line, or too many connections at the
// server), says so and tries again: else the page would stay empty.
const style = document.querySelector('link[rel=stylesheet]')

function again() {
  document.getElementById('app').textContent =
    'Not all of this page came. Trying again … 页面没有全部到达，正在重试……'
  setTimeout(() => location.reload(), 2000)
}

window.addEventListener('load', () => { if (!style.sheet) again() })
import('./app.js').catch(again)
