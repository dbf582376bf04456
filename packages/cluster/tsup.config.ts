import { library } from '../../tsup.library.mjs';

export default library(['src/index.ts', 'src/core/index.ts']);
