import { describe, expect, test } from 'vitest';
import type { Core, Wake } from './core.js';
import { Driver } from './driver.js';
import { ManualClock } from './manual-clock.js';
import { instant, plusMs, type Instant } from './time.js';

interface Said {
  readonly kind: 'said';
  readonly text: string;
}

/** Repeats what it hears as effects, writes down what it was handed and when, and wakes when the test says so. */
class Parrot implements Core<Said, string> {
  readonly heard: string[] = [];
  wakeAt: Instant | undefined;
  onHandle: (event: Said | Wake, now: Instant) => void = () => {};

  handle(event: Said | Wake, now: Instant): readonly string[] {
    this.heard.push(`${event.kind === 'said' ? event.text : 'wake'}@${now}`);
    this.onHandle(event, now);
    return event.kind === 'said' ? [`${event.text}!`, `${event.text}?`] : ['woken'];
  }

  nextWake(): Instant | undefined {
    return this.wakeAt;
  }
}

const said = (text: string): Said => ({ kind: 'said', text });

/** A core that wants one wake every two milliseconds, counted from the wake before. */
function everyTwoMs(): Parrot {
  const parrot = new Parrot();
  parrot.wakeAt = instant(2_000);
  parrot.onHandle = (event, now) => {
    if (event.kind === 'wake') parrot.wakeAt = plusMs(now, 2);
  };
  return parrot;
}

function driven(parrot = new Parrot()) {
  const clock = new ManualClock();
  const performed: string[] = [];
  const driver = new Driver(parrot, clock, (effect: string) => void performed.push(effect));
  return { parrot, clock, performed, driver };
}

describe('events', () => {
  test('an event is handled at the present instant and its effects are performed in order', () => {
    const { parrot, clock, performed, driver } = driven();
    clock.advance(3);
    driver.dispatch(said('hello'));
    expect(parrot.heard).toEqual(['hello@3000']);
    expect(performed).toEqual(['hello!', 'hello?']);
  });

  test('an event dispatched by a performer waits until every effect of the first is performed', () => {
    const parrot = new Parrot();
    const order: string[] = [];
    parrot.onHandle = (event) => order.push(`handle ${event.kind === 'said' ? event.text : 'wake'}`);
    const driver = new Driver(parrot, new ManualClock(), (effect: string) => {
      order.push(`perform ${effect}`);
      if (effect === 'a!') driver.dispatch(said('b'));
    });
    driver.dispatch(said('a'));
    expect(order).toEqual(['handle a', 'perform a!', 'perform a?', 'handle b', 'perform b!', 'perform b?']);
  });

  test('a chain of a hundred thousand synchronous answers does not grow the stack', () => {
    let left = 100_000;
    const parrot = new Parrot();
    const driver = new Driver(parrot, new ManualClock(), (effect: string) => {
      if (effect.endsWith('!') && --left > 0) driver.dispatch(said('next'));
    });
    driver.dispatch(said('first'));
    expect(parrot.heard).toHaveLength(100_000);
  });
});

describe('wakes', () => {
  test('a core that wants a wake from the start gets it exactly when due', () => {
    const { parrot, clock, performed } = driven(everyTwoMs());
    clock.advance(1.999);
    expect(parrot.heard).toEqual([]);
    clock.advance(0.001);
    expect(parrot.heard).toEqual(['wake@2000']);
    expect(performed).toEqual(['woken']);
  });

  test('each wake schedules the one after', () => {
    const { parrot, clock } = driven(everyTwoMs());
    clock.advance(7);
    expect(parrot.heard).toEqual(['wake@2000', 'wake@4000', 'wake@6000']);
    expect(clock.pending).toBe(1);
  });

  test('an event that moves the wake moves the timer, and the old instant passes in silence', () => {
    const { parrot, clock, driver } = driven();
    parrot.wakeAt = instant(5_000);
    driver.dispatch(said('later'));
    parrot.wakeAt = instant(1_000);
    driver.dispatch(said('sooner'));
    parrot.onHandle = () => (parrot.wakeAt = undefined);
    clock.advance(10);
    expect(parrot.heard).toEqual(['later@0', 'sooner@0', 'wake@1000']);
  });

  test('a core that no longer wants a wake gets none', () => {
    const { parrot, clock, driver } = driven(everyTwoMs());
    parrot.wakeAt = undefined;
    driver.dispatch(said('never mind'));
    expect(clock.pending).toBe(0);
  });

  test('an unchanged wake keeps its timer through many events', () => {
    const parrot = everyTwoMs();
    const clock = new ManualClock();
    let schedules = 0;
    const counting = { now: () => clock.now(), schedule: (at: Instant, run: () => void) => (schedules++, clock.schedule(at, run)) };
    const driver = new Driver(parrot, counting, () => {});
    for (let i = 0; i < 10; i++) driver.dispatch(said('busy'));
    expect(schedules).toBe(1);
  });
});

describe('stopping', () => {
  test('stop cancels the wake and later events are dropped', () => {
    const { parrot, clock, performed, driver } = driven(everyTwoMs());
    driver.stop();
    driver.dispatch(said('too late'));
    clock.advance(10);
    expect({ heard: parrot.heard, performed, pending: clock.pending, stopped: driver.stopped }).toEqual({ heard: [], performed: [], pending: 0, stopped: true });
  });

  test('stop from within a performer drops the remaining effects, queued events and the wake', () => {
    const clock = new ManualClock();
    const parrot = new Parrot();
    const performed: string[] = [];
    const driver = new Driver(parrot, clock, (effect: string) => {
      performed.push(effect);
      driver.dispatch(said('queued'));
      parrot.wakeAt = instant(9_000);
      driver.stop();
    });
    driver.dispatch(said('last'));
    expect({ heard: parrot.heard, performed, pending: clock.pending }).toEqual({ heard: ['last@0'], performed: ['last!'], pending: 0 });
  });

  test('a performer that throws stops the driver and the error reaches the dispatcher', () => {
    const clock = new ManualClock();
    const parrot = everyTwoMs();
    const driver = new Driver(parrot, clock, () => {
      throw new Error('the socket is gone');
    });
    expect(() => driver.dispatch(said('a'))).toThrow('the socket is gone');
    driver.dispatch(said('b'));
    expect({ heard: parrot.heard, pending: clock.pending, stopped: driver.stopped }).toEqual({ heard: ['a@0'], pending: 0, stopped: true });
  });

  test('a core that throws on a wake stops the driver and the error reaches the clock', () => {
    const parrot = everyTwoMs();
    parrot.onHandle = () => {
      throw new Error('an invariant broke');
    };
    const { clock, driver } = driven(parrot);
    expect(() => clock.advance(2)).toThrow('an invariant broke');
    expect(driver.stopped).toBe(true);
  });
});
