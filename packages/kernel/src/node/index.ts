/**
 * The parts of the kernel that touch the machine: its clock, its time of day, its entropy.
 *
 * @packageDocumentation
 */

export { systemClock, systemRandom, wallClockMs } from './system-clock.js';
