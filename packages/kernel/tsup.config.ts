import { library } from '../../tsup.library.mjs';

export default library(['src/index.ts', 'src/node/index.ts', 'src/sim/index.ts']);
