import { render } from 'preact';
import { App } from './app';
import { now, start } from './lib/live';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/pages.css';

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);

void start();
const root = document.getElementById('app');
if (root) render(<App />, root);
