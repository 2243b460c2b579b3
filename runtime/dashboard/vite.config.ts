import preact from '@preact/preset-vite';
import { defineConfig } from 'vite';

// Relative paths, so that the dashboard also works behind a proxy's path.
export default defineConfig({
  base: './',
  plugins: [preact({ devToolsEnabled: false })],
  build: {
    target: 'es2022',
    outDir: '../control/assets',
    emptyOutDir: true,
    // Both would put scripts or images into the page, which its content security policy refuses.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
