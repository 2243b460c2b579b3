// Where a token is given, when the API asks for one.
import { useEffect, useRef, useState } from 'preact/hooks';
import { locked, refused, setToken, token } from '../lib/api';
import { forget, start } from '../lib/live';
import { Mark } from '../parts/icons';

export function TokenPage() {
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [given, setGiven] = useState('');
  useEffect(() => {
    forget();
    document.title = 'Token – Gristmill';
    input.current?.focus();
  }, []);
  const enter = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setToken(given.trim());
    // Ends when the token is refused; otherwise the pages come in place of this one.
    await start();
    setBusy(false);
    input.current?.focus();
  };
  const wrong = refused.value && !busy && token() !== '';
  return (
    <main class="token" id="main">
      <form onSubmit={enter}>
        <h1><Mark /> Gristmill</h1>
        <p>This worker asks for a token. It is one of those under <code>server.tokens</code> in its configuration.</p>
        <div class="field">
          <label for="token">Token</label>
          <input
            id="token" ref={input} type="password" autocomplete="off" spellcheck={false} required
            value={given} onInput={(event) => setGiven(event.currentTarget.value)}
            aria-invalid={wrong} aria-describedby={wrong ? 'token-wrong' : 'token-hint'}
          />
          {wrong && <p class="wrong" id="token-wrong" role="alert">The worker does not know this token.</p>}
          <p class="hint" id="token-hint">It is kept in this tab until you close it.</p>
        </div>
        <button type="submit" class="primary" disabled={busy || !locked.value}>Continue</button>
      </form>
    </main>
  );
}
