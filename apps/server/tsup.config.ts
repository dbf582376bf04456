import { library } from '../../tools/build/tsup.mjs';

export default { ...library(['src/main.ts']), dts: false };
