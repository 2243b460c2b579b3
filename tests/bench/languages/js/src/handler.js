// Gives back its job's data, or parks: what is measured is the SDK and the runtime of the language.
import { handler, log } from '@gristmill/sdk';

export default handler(async (job, data) => {
  if (data.steps.length > 1) {
    log.info('begun');
    await new Promise((done) => setTimeout(done, data.steps[1].ms));
  }
  return { id: job.id, data };
});
