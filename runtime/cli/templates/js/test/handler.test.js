import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, job } from '@gristmill/sdk/testing';
import greet from '../src/handler.js';

test('greets', async () => {
  const { value, logs } = await call(greet, job({ to: 'Ada' }));
  assert.deepEqual(value, { greeting: 'Hello Ada' });
  assert.equal(logs[0].message, 'greeting Ada');
});

test('greets nobody', async () => {
  const { error } = await call(greet, job({}));
  assert.equal(error.message, 'there is nobody to greet');
});
