// Measures a page from the inside: a function of the names of colours to report.
(names) => {
  const width = document.documentElement.clientWidth;
  const short = (e) => `<${e.tagName.toLowerCase()} class="${e.getAttribute('class') || ''}">` +
      (e.textContent || '').trim().slice(0, 30);
  const shown = (e) => e.checkVisibility() && e.getClientRects().length > 0;

  // Colours, as rgb() has them, over what is below them.
  const rgba = (text) => {
    const n = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return n.length === 3 ? [...n, 1] : n;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const luminance = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };

  // Every element that has text of its own.
  const contrasts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.textContent.trim() || e.closest('title') || !shown(e)) continue;
    const style = getComputedStyle(e);
    const colour = rgba(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    contrasts.push([node.textContent.trim().slice(0, 30), contrast(colour, behind(e))]);
  }

  // What reaches beyond the window's edge, unless a frame around it scrolls.
  const outside = [];
  for (const e of document.body.querySelectorAll('*')) {
    if (!shown(e) || e.closest('.wide') || e.closest('defs, .defs')) continue;
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1)) outside.push(short(e));
  }
  const scrolled = [...document.querySelectorAll('.wide')]
      .filter((e) => shown(e) && e.scrollWidth > e.clientWidth + 1).map(short);

  // What a screen reader could not name.
  const unnamed = [];
  for (const e of document.querySelectorAll('table'))
    if (!e.caption || !e.querySelector('th[scope=col]') || e.querySelector('tbody tr:not(:has(th[scope=row]))'))
      unnamed.push('a table without caption or heads: ' + short(e));
  for (const e of document.querySelectorAll('svg'))
    if (!e.closest('[aria-hidden=true]') && !(e.getAttribute('role') === 'img' && e.getAttribute('aria-label')))
      unnamed.push('a picture without a name: ' + short(e));
  const levels = [...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1]));
  if (levels.filter((l) => l === 1).length !== 1 || levels.some((l, i) => i && l > levels[i - 1] + 1))
    unnamed.push('headings out of order');
  if (!document.documentElement.lang || !document.title) unnamed.push('no language or no title');
  for (const e of document.querySelectorAll('nav a'))
    if (!document.querySelector(e.getAttribute('href'))) unnamed.push('a link that leads nowhere');

  const root = getComputedStyle(document.documentElement);
  return {
    overflow: document.scrollingElement.scrollWidth - width,
    outside, scrolled, contrasts, unnamed,
    legend: [...document.querySelectorAll('.legend li')].filter(shown)
        .flatMap((e) => [...e.querySelector('path').classList]),
    scripts: document.scripts.length,
    colours: Object.fromEntries(names.map((name) => [name, root.getPropertyValue('--' + name)])),
  };
}
