// Whether KEDA takes the scaled objects that the chart makes: `node keda.mjs FILE…`, JSON.
import { readFileSync } from 'node:fs';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';

for (const file of process.argv.slice(2)) {
  const object = JSON.parse(readFileSync(file, 'utf8'));
  new ScaledObject(object).validate();
  const broken = structuredClone(object);
  broken.spec.maxReplicaCount = 'many';
  let refused = false;
  try {
    new ScaledObject(broken).validate();
  } catch {
    refused = true;
  }
  if (!refused) throw new Error('a scaled object that cannot be was taken: this check checks nothing');
  console.log(`${object.metadata.name}: a scaled object of KEDA, ${object.spec.triggers.length} triggers`);
}
