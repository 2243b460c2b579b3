// Greets whoever the job names.
import { PermanentError, handler, log } from '@gristmill/sdk';

export default handler(async (job, { to }) => {
  log.info(`greeting ${to}`, { attempt: job.attempt });
  if (!to) throw new PermanentError('there is nobody to greet');
  return { greeting: `Hello ${to}` };
});
