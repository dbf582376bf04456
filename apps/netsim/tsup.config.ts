import { library } from '../../tsup.library.mjs';

export default { ...library(['src/main.ts']), dts: false };
