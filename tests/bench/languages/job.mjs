// A handler that gives back its job's data: what is measured is the runtime of the language.
export const handler = {
  run(job) {
    const data = JSON.parse(new TextDecoder().decode(job.data));
    return new TextEncoder().encode(JSON.stringify({ id: job.id, data }));
  },
};
