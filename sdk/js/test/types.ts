// Compiled, never run: what the types let pass and what they do not.
import { DeferredError, circuitBreaker, context, enqueue, handler, parse, rateLimit, state } from '@gristmill/sdk';
import { call, job } from '@gristmill/sdk/testing';
import { z } from 'zod';

const Order = z.object({ items: z.array(z.number()), currency: z.string() });

export const typed = handler(Order, async (_job, order) => {
  const sum: number = order.items.reduce((a, b) => a + b, 0);
  // @ts-expect-error the schema has no such field
  order.customer;
  return `${sum} ${order.currency}`;
});

export const plain = handler(async (given, data: { to: string }) => {
  const left: number | undefined = context.remaining();
  const found = state.get<number>('n');
  state.delete('n');
  state.compareAndSet('n', found, 2, { ttl: 1_000 });
  const waited: number = rateLimit.acquire('mail', { maxWait: 10 });
  // @ts-expect-error `acquire` says how long it may wait
  rateLimit.acquire('mail');
  const { id } = enqueue.submit({ name: 'next', data: { waited, left }, child: true });
  await circuitBreaker.guard('smtp', async () => id);
  const order = await parse(Order, data);
  if (order.currency === '') throw new DeferredError('later', { delay: 5 });
  return given.attempt;
});

export const listed = handler({ type: 'array' }, (_job, data: number[]) => data.length);

const { value, enqueued } = await call<number>(plain, job({ to: 'x' }), { limiters: { mail: true } });
value?.toFixed();
enqueued[0]?.queue?.length;
