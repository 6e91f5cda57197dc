// The page that stands in for the window when it or the service is gone: what happened, and three ways on.
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Plain links, no script: the shell hears app://shell/do/<what> and acts. */
export function crashPage(what: 'window' | 'service', reason: string): string {
  const sentence = what === 'window' ? 'The window stopped.' : 'The service stopped and could not be started again.';
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Tastemaker: ${escape(sentence)}</title></head>
<body>
<main>
<h1>${escape(sentence)}</h1>
<p>Everything that was shown as saved is saved, and a run that was going goes on or can be resumed from its last checkpoint.</p>
<p>What is known: ${escape(reason)}</p>
<ul>
<li><a href="app://shell/do/restart">Restart</a></li>
<li><a href="app://shell/do/logs">Open the logs</a></li>
<li><a href="app://shell/do/diagnostics">Copy diagnostics</a> (paths are taken out)</li>
</ul>
</main>
</body>
</html>
`;
}
