// The job of the benchmark: nothing but a small result. A file of its own, because BullMQ's child
// processes load their processor from one.
module.exports = async () => ({ ok: true });
