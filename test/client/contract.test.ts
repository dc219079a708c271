import { clientCommandsContract } from "../contract/client-commands.js";
import { clientTopicsContract } from "../contract/client-topics.js";
import { startDoubleWorld, startNodeWorld } from "../support/client-library/world.js";

clientTopicsContract("a node", startNodeWorld);
clientTopicsContract("the server double", startDoubleWorld);
clientCommandsContract("a node", startNodeWorld);
clientCommandsContract("the server double", startDoubleWorld);
