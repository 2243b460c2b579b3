// Greets whoever the job names.
import { handler, log } from '@gristmill/sdk';
import { z } from 'zod';

const Data = z.object({ to: z.string().min(1, 'there is nobody to greet') });

export default handler(Data, async (job, { to }) => {
  log.info(`greeting ${to}`, { attempt: job.attempt });
  return { greeting: `Hello ${to}` };
});
