// The attempt and its surroundings.
import { context as host } from '#host';

const ms = (value) => (value === undefined ? undefined : Number(value));

export const enqueuedAt = () => ms(host.enqueuedAt());
export const scheduledAt = () => ms(host.scheduledAt());
export const deadline = () => ms(host.deadline());
export const remaining = () => ms(host.remaining());
export const cancelled = () => host.cancelled();
export const header = (name) => host.header(name);
export const headers = () => Object.fromEntries(host.headers());
export const traceparent = () => host.traceparent();
export const tracestate = () => host.tracestate();
export const digest = () => host.digest();
