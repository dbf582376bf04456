import type { SourceAnswer } from '../source.js';
import { CollectedEndpoints } from './collected-endpoints.js';
import { contributionOf, keyOf, type Contribution, type KubernetesResource, type PortChoice } from './kubernetes-answer.js';

/** Objects that are kept track of; a list is read no further and a watch takes in no more. */
export const kubernetesObjectsMax = 10_000;

/** The objects that a list brought and a watch changes, each reduced to what it contributes to the answer. */
export class KubernetesObjects {
  /** Where the watch goes on from. */
  resourceVersion = '';
  /** Whether there is more in the cluster than is kept here. */
  truncated = false;
  readonly #resource: KubernetesResource;
  readonly #port: PortChoice;
  readonly #contributions = new Map<string, Contribution>();
  #nameless = 0;

  constructor(resource: KubernetesResource, port: PortChoice) {
    this.#resource = resource;
    this.#port = port;
  }

  get isFull(): boolean {
    return this.#contributions.size >= kubernetesObjectsMax;
  }

  /** Takes in an object of a list. */
  add(object: unknown): void {
    const key = keyOf(object);
    if (key === undefined) this.#nameless += 1;
    else this.set(key, object);
  }

  /** Takes in an object of a watch; returns whether the answer may be another now. */
  set(key: string, object: unknown): boolean {
    const before = this.#contributions.get(key);
    if (before === undefined && this.isFull) {
      this.truncated = true;
      return false;
    }
    const contribution = contributionOf(this.#resource, object, this.#port);
    this.#contributions.set(key, contribution);
    // Most changes of a pod concern its conditions, not its address.
    return JSON.stringify(before) !== JSON.stringify(contribution);
  }

  delete(key: string): boolean {
    return this.#contributions.delete(key);
  }

  answer(): SourceAnswer {
    const found = new CollectedEndpoints();
    for (const { places, leftOut } of this.#contributions.values()) {
      for (const { host, port } of places) found.add(host, port);
      for (const reason of leftOut) found.leaveOut(reason);
    }
    if (this.#nameless > 0) found.leaveOut('without a name', this.#nameless);
    return found.answer(this.truncated ? [`more than ${kubernetesObjectsMax} ${this.#resource}, of which the first ${kubernetesObjectsMax} were read`] : []);
  }
}
